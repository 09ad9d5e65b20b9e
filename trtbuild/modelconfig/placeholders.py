"""Placeholders of templates in a config that nobody filled in.

`${NAME}`, `{{ name }}`, `$NAME`, `@NAME@`, `%(name)s`, `<name>`, `__NAME__`, `{name}`, `#name`,
which the text format takes for a comment, and `NAME` where a number belongs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trtbuild.modelconfig import grammar
from trtbuild.modelconfig.explain import ConfigSyntaxError

# Whatever the line is about; in a text they are one of TensorRT-LLM's, which stay on purpose.
_MARKED = re.compile(
    r"""\$\{[^}\n]*\}?|\{\{[^}\n]*(?:\}\})?|\{%.*?%\}|<%.*?%>|\$\([\w.]+\)|\$[A-Za-z_]\w*
    |@[A-Za-z_]\w*@|%\([\w.]+\)[sd]|%[A-Za-z_]\w*%|\[\[[ ]*[A-Za-z_]\w*[ ]*\]\]""",
    re.VERBOSE,
)
# Where a value belongs.
_VALUE = re.compile(
    r"<[A-Za-z_][\w. -]*>|__[A-Za-z]\w*?__|\{[A-Za-z_]\w*\}|%[sd]\b|\?{2,}|\.{3}"
    r"|(?:TODO|FIXME|XXX)\w*"
)
_WORD = re.compile(r"[A-Za-z_]*")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b")
# `#` right behind a value, or where a value belongs and a list's end stands in the "comment".
_COMMENT = re.compile(r"(?<=[\w\"'])#\w+|(?<=:)[ \t]*#\w+|(?<=[\[,])[ \t]*#\w+(?=[^\n]*\])")
_NUMBERS = ("a number", "true or false")


class Placeholder(NamedTuple):
    """One placeholder: `text[start:end]`."""

    start: int
    end: int
    word: str
    comment: bool = False  # the text format takes it, and the rest of its line, for a comment


def placeholder_of(problem: ConfigSyntaxError, text: str) -> Placeholder | None:
    """The placeholder that is the cause of `problem` in `text`; None where none is."""
    offset = problem.offset
    found = _comment_before(text, offset)
    if found is not None:
        return found
    end = offset
    if text[offset : offset + 1] in ("'", '"'):
        end = grammar.literal_end(text, offset)
    elif (read := _WORD.match(text, offset)) is not None:
        end = read.end()
    if (behind := _COMMENT.match(text, end)) is not None:  # `TYPE_#DTYPE`
        return Placeholder(behind.start(), behind.end(), behind[0], comment=True)
    marked = _MARKED.search(text, offset, max(end, offset) + 1)
    marked = marked and _MARKED.match(text, marked.start())
    if marked is None and text[end : end + 1] in tuple("$@%{<["):
        marked = _MARKED.match(text, end)
    if marked is not None:
        return Placeholder(marked.start(), marked.end(), marked[0])
    if problem.field is None or problem.field.table is not None:
        return None
    for at in (offset, end):  # `TYPE_<T>`: behind what was read
        match = _VALUE.match(text, at)
        if match is not None:
            return Placeholder(offset, match.end(), text[offset : match.end()])
    match = _CAPITALS.match(text, offset)
    if match is not None and problem.field.type_name in _NUMBERS:
        return Placeholder(offset, match.end(), match[0])
    return None


def _comment_before(text: str, offset: int) -> Placeholder | None:
    """The first one of the nearest line that hides a value from the reader: this or the last."""
    end = text.find("\n", offset)
    for _ in range(2):
        start = text.rfind("\n", 0, max(0, end if end >= 0 else len(text))) + 1
        for match in _COMMENT.finditer(text, start, offset):
            if not _in_text(text, match.start()):
                word = match[0].lstrip()
                return Placeholder(match.end() - len(word), match.end(), word, comment=True)
        end = start - 1
        if end < 0:
            break
    return None


def _in_text(text: str, at: int) -> bool:
    """Whether `at` lies between the quotes of its line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return bool(line.count('"') % 2 or (line.count("'") % 2 and '"' not in line))
