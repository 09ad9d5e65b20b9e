"""Where each field of a config stands: paths such as `input[0].dims[2]` to file positions.

Paths are those that messages use: `max_batch_size`, `input[1]`, `input[1].dims[0]`; a map's entry
is named by its key, `parameters["x"]`, and holds `.key` and `.value`. A repeated field's name
without an index (`input`, `dims`) means its first statement, the whole list where it is one.
"""

from __future__ import annotations

import bisect
import re
from typing import NamedTuple

from trtbuild.modelconfig.fields import Field


class Place(NamedTuple):
    """A position as people and editors count: both from 1, the column in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Span(NamedTuple):
    """A field's statement as offsets into the text: `name: value` is text[name:end]."""

    name: int
    value: int
    end: int  # just behind the value; a separator may follow


class Node(NamedTuple):
    """One statement as it stands in the text, or one element of a list."""

    field: Field
    span: Span
    value: object  # None: a list, whose children are its elements
    children: list[Node] | None  # a message's fields in the order of the text


class Lines:
    """Offsets as lines and columns."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(newline.end() for newline in re.finditer("\n", text))]

    def place(self, offset: int) -> Place:
        """The place of the character at `offset`."""
        line = bisect.bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)


Index = dict[str, list[Span]]


def index_of(nodes: list[Node]) -> Index:
    """Every path with its spans. There are several where a map's key or a field came again."""
    index: Index = {}
    _enter(nodes, "", index)
    return index


def _enter(nodes: list[Node], prefix: str, index: Index) -> None:
    counts: dict[str, int] = {}
    for node in nodes:
        name = prefix + node.field.name
        if not node.field.repeated:
            _enter_one(node, name, index)
            continue
        index.setdefault(name, [node.span])
        for element in (node.children or ()) if node.value is None else (node,):
            _enter_one(element, name + _suffix(element, counts), index)


def _enter_one(node: Node, path: str, index: Index) -> None:
    index.setdefault(path, []).append(node.span)
    if node.children is not None:
        _enter(node.children, path + ".", index)


def _suffix(node: Node, counts: dict[str, int]) -> str:
    name = node.field.name
    if node.field.is_map and isinstance(node.value, dict) and node.field.table:
        key = node.value.get("key", node.field.table.fields["key"].default)
        return f'["{key}"]'
    counts[name] = counts.get(name, -1) + 1
    return f"[{counts[name]}]"
