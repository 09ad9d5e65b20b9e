"""Repairs as edits of the text, so that comments and layout stay as they are.

Each returns () where the field is not written in a form that it can edit, or where a comment would
go with what is replaced.
"""

from __future__ import annotations

import re

from trtbuild.modelconfig import grammar
from trtbuild.validate.finding import Edit, FieldPath, Fix
from trtbuild.validate.model import Model
from trtbuild.validate.places import path_text

_SEPARATOR = re.compile(r"[ \t]*[;,]?[ \t]*")
_INDENT = re.compile(r"\r?\n([ \t]*)")


def quote(text: str) -> str:
    """`text` as the text format writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def replace_value(model: Model, path: FieldPath, new: str) -> Fix:
    """Write `new` in place of the field's value."""
    span = model.document.span(path_text(path))
    return _keeping_comments(model, Edit(span.value, span.end, new)) if span else ()


def _keeping_comments(model: Model, *edits: Edit) -> Fix:
    """`edits`, or () where one of them would take a comment out."""
    text = model.document.text
    if any("#" in text[edit.start : edit.end] for edit in edits):  # it may stand in a text, too
        starts = [start for start, _ in grammar.comments(text)]
        if any(edit.start <= start < edit.end for edit in edits for start in starts):
            return ()
    return edits


def remove_field(model: Model, path: FieldPath) -> Fix:
    """Take every statement of the field out, with its line where it stands alone on it."""
    text, name = model.document.text, path_text(path)
    index = model.document.index
    spans = set(index.get(name, ()))
    number = 0
    while f"{name}[{number}]" in index:
        spans.update(index[f"{name}[{number}]"])
        number += 1
    statements: dict[int, int] = {}
    for span in spans:
        statements[span.name] = max(statements.get(span.name, 0), span.end)
    bare = grammar.without_comments(text)
    edits = [_statement(text, bare, start, end) for start, end in sorted(statements.items())]
    return _keeping_comments(model, *edits)


def _statement(text: str, bare: str, start: int, end: int) -> Edit:
    """The edit that takes a statement out; in `bare`, spaces stand for comments."""
    head = text[text.rfind("\n", 0, start) + 1 : start]
    opened = bare[start : bare.find(":", start, end) + 1 if ":" in bare[start:end] else end]
    if bare[start + len(opened) : end].lstrip().startswith("[") or "[" in opened:
        closing = bare.find("]", end)  # a list's elements end before its bracket
        end = closing + 1 if closing >= 0 and not bare[end:closing].strip(" \t\r\n,") else end
    separator = _SEPARATOR.match(text, end)
    end = separator.end() if separator else end
    rest = text[end : text.find("\n", end) + 1 or len(text)]
    if not head.strip() and not rest.strip():
        return Edit(start - len(head), end + len(rest), "")
    return Edit(start, end, "")


def set_field(model: Model, message: FieldPath, field: str, value: str) -> Fix:
    """Set a scalar field of a message that is written: replace it, or write it first in there."""
    if model.document.span(path_text((*message, field))) is not None:
        return replace_value(model, (*message, field), value)
    span = model.document.span(path_text(message))
    if span is None:
        return ()
    text = model.document.text
    inside = span.value + 1
    indent = _INDENT.match(text, inside)
    if indent is None:
        return (Edit(inside, inside, f" {field}: {value}"),)
    line = f"{indent[0]}{field}: {value}"
    if text[indent.end() : indent.end() + 1] in ("}", ">"):
        line += ""  # an empty message: the brace keeps its line
    return (Edit(inside, inside, line),)


def add_line(model: Model, line: str) -> Fix:
    """Write a line before the first field."""
    document = model.document
    start = document.nodes[0].span.name if document.nodes else len(document.text)
    start = document.text.rfind("\n", 0, start) + 1
    newline = "\r\n" if "\r\n" in document.text else "\n"
    return (Edit(start, start, line + newline),)


def without_batch_dim(model: Model, role: str, number: int, whole: tuple[int, ...]) -> Fix:
    """Take the batch dim out of `dims`, where the rest is `whole`'s and the first repeats it.

    `whole` is the model file's shape, [N, ...] with -1 where a dim varies.
    """
    entry = getattr(model.config, role)[number]
    dims, want = tuple(entry.dims), whole[1:]
    repeated = len(dims) == len(whole) and all(
        have == wanted or -1 in (have, wanted) for have, wanted in zip(dims[1:], want, strict=True)
    )
    written = model.document.index.get(path_text((role, number, "dims")), ())
    if not repeated or not want or entry.HasField("reshape") or len(written) != 1:
        return ()
    span = written[0]
    if model.document.text[span.value : span.value + 1] != "[":
        return ()  # dims: 1 dims: 3: several statements, so several right answers
    new = "[" + ", ".join(map(str, dims[1:])) + "]"
    return _keeping_comments(model, Edit(span.value, span.end, new))
