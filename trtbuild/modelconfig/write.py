"""A `ModelConfig` as text, the way people write these files: one form for each value.

`parse_config(text_from_config(config)).message == config` for every config that there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from trtbuild.modelconfig.fields import Field, Table, table_of
from trtbuild.modelconfig.schema import Config

# What people put first; everything else follows in the order of the schema. Other messages than
# ModelConfig have their fields in a good order there.
_FIRST = (
    "name",
    "platform",
    "backend",
    "runtime",
    "max_batch_size",
    "version_policy",
    "input",
    "output",
    "batch_input",
    "batch_output",
    "ensemble_scheduling",
    "sequence_batching",
    "dynamic_batching",
    "instance_group",
    "default_model_filename",
    "cc_model_filenames",
)
_WIDTH = 88  # columns; a map's entry that fits stands on one line
_INDENT = "  "


def text_from_config(config: Config, heading: str = "") -> str:
    """The config as text; each line of `heading` becomes a comment at its top."""
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    table = table_of(config.DESCRIPTOR)
    return "\n".join([*lines, *_message(table, config, "")]) + "\n"


def _message(table: Table, message: Any, indent: str) -> Iterator[str]:
    """The lines of a message's fields, without its braces."""
    for field, value in _given(table, message):
        if field.table is None:
            yield f"{indent}{_scalar(field, value)}"
        elif field.repeated:
            yield f"{indent}{field.name} ["
            yield from _elements(field, value, indent + _INDENT)
            yield f"{indent}]"
        else:
            yield from _braces(field.table, value, f"{indent}{field.name} ", indent)


def _given(table: Table, message: Any) -> Iterator[tuple[Field, Any]]:
    """The fields that the message has, in the order they are written in."""
    given = {field.name: value for field, value in message.ListFields()}
    first = _FIRST if table.name == "ModelConfig" else ()
    for name in (*first, *(name for name in table.fields if name not in first)):
        if name in given:
            yield table.fields[name], given[name]


def _scalar(field: Field, value: Any) -> str:
    if field.repeated:
        return f"{field.name}: [ {', '.join(field.word(element) for element in value)} ]"
    return f"{field.name}: {field.word(value)}"


def _elements(field: Field, value: Any, indent: str) -> Iterator[str]:
    """The lines of a list of messages, or of a map's entries."""
    assert field.table is not None
    if field.is_map:
        keys = sorted(value, key=natural)
        elements = [list(_entry(field.table, key, value[key], indent)) for key in keys]
    else:
        elements = [list(_braces(field.table, element, indent, indent)) for element in value]
    for lines in elements[:-1]:
        lines[-1] += ","
    for lines in elements:
        yield from lines


def natural(key: Any) -> list[tuple[int, str]]:
    """A sorting key in which numbers count as numbers: "8.6" comes before "10.0"."""
    parts = re.split("([0-9]+)", str(key))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _entry(table: Table, key: Any, value: Any, indent: str) -> Iterator[str]:
    """A map's entry, on one line where it fits."""
    entry = table.fields["value"]
    key_line = _scalar(table.fields["key"], key)
    if entry.table is None:
        words, value_lines = _scalar(entry, value), [f"{indent}{_INDENT}{_scalar(entry, value)}"]
    else:
        value_lines = list(
            _braces(entry.table, value, f"{indent}{_INDENT}value ", indent + _INDENT)
        )
        words = " ".join(line.strip() for line in value_lines)
    line = f"{indent}{{ {key_line} {words} }}"
    if len(line) < _WIDTH:
        yield line
        return
    yield indent + "{"
    yield f"{indent}{_INDENT}{key_line}"
    yield from value_lines
    yield indent + "}"


def _braces(table: Table, message: Any, head: str, indent: str) -> Iterator[str]:
    inner = list(_message(table, message, indent + _INDENT))
    if len(inner) == 1:
        yield f"{head}{{ {inner[0].strip()} }}"
        return
    if inner:
        yield head + "{"
        yield from inner
        yield indent + "}"
        return
    # `reshape { shape: [ ] }`: a message that is but one list says that it is empty.
    (only,) = table.fields.values() if len(table.fields) == 1 else (None,)
    yield f"{head}{{ {only.name}: [ ] }}" if only and only.repeated else f"{head}{{ }}"
