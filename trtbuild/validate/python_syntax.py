"""Parsing a `model.py` for the server's Python with the Python that runs here.

The two differ in what they can parse. What only a newer Python knows is written anew for the
running one, so that the verdict is the same wherever trtbuild runs: f-strings with quotes,
backslashes, comments or line breaks in their braces, type parameters and `type` statements (3.12).

Source: PEP 701 (f-strings), PEP 695 (type parameters), PEP 654 (`except*`).
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

Version = tuple[int, int]
RUNNING: Version = (sys.version_info[0], sys.version_info[1])
NEWER_F_STRINGS: Version = (3, 12)
_RESPELLED: Version = (3, 12)  # what came with later ones is not known here

_STRING = re.compile(r"(?<!\w)(?i:(rb|br|rf|fr|[rbuf])?)('''|\"\"\"|'|\")")
_NAMED = re.compile(r"\b(?:def|class)[ \t]+\w+[ \t]*(\[)")
_TYPE = re.compile(r"(?m)^([ \t]*)type[ \t]+(\w+)[ \t]*(?=[\[=])")
_EXCEPT_STAR = re.compile(r"\bexcept[ \t]*\*")


class Parsed(NamedTuple):
    """A file's syntax tree, or why the server's Python has none, or may have none."""

    tree: ast.Module | None
    error: SyntaxError | None = None
    by: Version = RUNNING  # the Python that raised it
    sure: bool = True  # False: the server's Python parses it, as far as can be told


def parse(source: bytes, server: Version) -> Parsed:
    """Parse `source` for a server that has the Python `server`.

    Raises `ValueError`, `RecursionError` or `MemoryError` as `ast.parse` does.
    """
    try:
        tree = _parse(source)
    except SyntaxError as error:
        if server <= RUNNING or (text := _text(source)) is None:
            return Parsed(None, error)
        try:
            return Parsed(_parse(respelled(text).encode()), error, sure=False)
        except SyntaxError:
            return Parsed(None, error, sure=server <= _RESPELLED)
    if server >= RUNNING:
        return Parsed(tree)
    return Parsed(tree, _unknown_to(source, server), server)


def _parse(source: bytes, version: Version | None = None) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the user's code: not ours to print
        return ast.parse(source, feature_version=version)


def _unknown_to(source: bytes, server: Version) -> SyntaxError | None:
    """What the running Python parses and an older one does not."""
    try:
        _parse(source, max(server, (3, 7)))
    except SyntaxError as error:
        return error
    text = _text(source)
    if server >= NEWER_F_STRINGS or text is None:
        return None
    for string in _strings(text):
        if string.newer:
            line = text.count("\n", 0, string.start) + 1
            column = string.start - text.rfind("\n", 0, string.start)
            where = (None, line, column, text.splitlines()[line - 1])
            return SyntaxError("an f-string as Python 3.12 and newer know them", where)
    return None


def _text(source: bytes) -> str | None:
    """The source as text; None where its encoding is not that of its first lines."""
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(source).readline)
        return source.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None


def respelled(text: str) -> str:
    """`text` as older Pythons can parse it; every line stays where it is.

    An f-string of the newer kind becomes an empty text: what stands in its braces is not looked at.
    """
    pieces, masked, done = [], [], 0
    for string in _strings(text):
        code, literal = text[done : string.start], text[string.start : string.end]
        kept = _blank(literal) if string.newer else literal
        pieces += [code, kept]
        masked += [code, re.sub(r"[^\n]", " ", kept)]
        done = string.end
    pieces.append(text[done:])
    masked.append(text[done:])
    return _without_type_parameters("".join(pieces), "".join(masked))


def _blank(literal: str) -> str:
    *lines, last = literal.split("\n")
    if not lines:
        return '""'.ljust(len(literal))
    return '""' + "\\\n" * len(lines) + " " * len(last)


def _without_type_parameters(text: str, masked: str) -> str:
    """`masked` is `text` with blanks for texts and comments, so that brackets can be counted."""
    cuts = []
    for match in _NAMED.finditer(masked):
        depth, end = 0, match.start(1)
        while end < len(masked):
            depth += {"[": 1, "]": -1}.get(masked[end], 0)
            end += 1
            if not depth:
                cuts.append((match.start(1), end))
                break
    for start, end in reversed(cuts):
        inside = text[start:end]
        text = text[:start] + ("" if "\n" in inside else " " * len(inside)) + text[end:]
    text = re.sub(r"(?m)^([ \t]*)type[ \t]+(\w+)[ \t]*\[[^\]\n]*\][ \t]*=", r"\1\2 =", text)
    return _EXCEPT_STAR.sub("except ", _TYPE.sub(r"\1\2 ", text))


class _String(NamedTuple):
    start: int
    end: int
    newer: bool  # an f-string of which Python 3.11 and older make no sense


def _strings(text: str) -> Iterator[_String]:
    """Every text literal and every comment of the code, in order."""
    at = 0
    while at < len(text):
        mark = text[at]
        if mark == "#":
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            yield _String(at, end, False)
            at = end
        elif (match := _STRING.match(text, at)) is not None:
            end, newer = _literal(text, match)
            yield _String(at, end, newer)
            at = end
        else:
            at += 1


def _literal(text: str, match: re.Match[str]) -> tuple[int, bool]:
    """Where the literal that `match` opens ends, and whether it is an f-string of the newer kind.

    One that is not closed ends with its line.
    """
    prefix, quote = (match[1] or "").lower(), match[2]
    at, newer = match.end(), False
    while at < len(text):
        if text.startswith(quote, at):
            return at + len(quote), newer
        if text[at] == "\\":
            at = text.find("}", at) if text.startswith("\\N{", at) else at + 1
            if at < 0:
                break
        elif text[at] == "\n" and len(quote) == 1:
            return at, newer
        elif "f" in prefix and text[at] == "{" and text[at + 1 : at + 2] != "{":
            end = _braces(text, at + 1)
            inside = text[at:end]
            newer |= quote in inside or "\\" in inside or "#" in inside
            newer |= "\n" in inside and len(quote) == 1
            at = end
            continue
        elif "f" in prefix and text[at] == "{":
            at += 1
        at += 1
    return len(text), newer


def _braces(text: str, at: int) -> int:
    """The end of an f-string's replacement field whose expression begins at `at`."""
    depth = 0
    while at < len(text):
        mark = text[at]
        if mark == "#":
            at = text.find("\n", at)
            if at < 0:
                break
        elif (match := _STRING.match(text, at)) is not None:
            at, _ = _literal(text, match)
            continue
        elif mark in "([{":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif mark == "}":
            if depth <= 0:
                return at + 1
            depth -= 1
        elif mark == ":" and depth == 0:
            return _format(text, at + 1)
        at += 1
    return len(text)


def _format(text: str, at: int) -> int:
    """The end of a replacement field whose format begins at `at`: it may hold fields itself."""
    while at < len(text):
        if text[at] == "{":
            at = _braces(text, at + 1)
        elif text[at] in "}\n":
            return at + 1
        else:
            at += 1
    return len(text)
