"""`# trtbuild: allow CODE` in a config: which findings it silences, and which it did not need to.

On a line with a field it is about that line; on a line of its own, about the next line with a
field; above the first field, about the whole file. Codes and names go, several after commas;
what follows a colon or a dash in words is the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from trtbuild.validate.codes import RULES

if TYPE_CHECKING:
    from trtbuild.modelconfig.read import Comment

_DIRECTIVE = re.compile(r"\s*trtbuild:\s*(\S+)\s*(.*)")
_WORD = re.compile(r"[A-Za-z][\w-]*")


class Allow(NamedTuple):
    """One code or name that a comment allows."""

    word: str  # upper-case code or lower-case name, as written
    line: int  # it is about; 0: the whole file
    at: tuple[int, int]  # line and column of the comment


class Misread(NamedTuple):
    """A comment that is addressed to us and cannot be understood."""

    message: str
    at: tuple[int, int]


def read_allows(
    comments: tuple[Comment, ...], text: str, names: frozenset[str]
) -> tuple[list[Allow], list[Misread]]:
    """The directives of a file; `names` are the names of all rules."""
    allows: list[Allow] = []
    misread: list[Misread] = []
    lines = text.split("\n")
    for comment in comments:
        match = _DIRECTIVE.match(comment.words)
        if match is None:
            continue
        at = (comment.place.line, comment.place.column)
        words = _words(match[2], names) if match[1] == "allow" else []
        if match[1] != "allow":
            misread.append(Misread(f"'{match[1]}' is no directive; there is: allow", at))
        elif not words:
            given = match[2].split(",")[0].strip() or "nothing"
            misread.append(Misread(f"'{given}' is no code and no name of a rule", at))
        line = _line_about(lines, comment.place.line, comment.own_line)
        allows += [Allow(word, line, at) for word in words]
    return allows, misread


def _words(text: str, names: frozenset[str]) -> list[str]:
    found: list[str] = []
    for part in re.split(r"[,\s]+", text):
        match = _WORD.match(part)
        word = match[0] if match else ""
        if word.upper() not in RULES and word not in names:
            break
        found.append(word.upper() if word.upper() in RULES else word)
    return found


def _line_about(lines: list[str], line: int, own_line: bool) -> int:
    if not own_line:
        return line
    # Below the first field a comment of its own line is about what follows it.
    if not any(_has_field(text) for text in lines[: line - 1]):
        return 0
    for number in range(line, len(lines)):
        if _has_field(lines[number]):
            return number + 1
    return line


def _has_field(text: str) -> bool:
    stripped = text.strip()
    return bool(stripped) and not stripped.startswith("#")
