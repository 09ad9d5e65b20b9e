"""What the schema says of each message, in the form that the reader and the writer ask for it.

One `Table` a message type, made from the protobuf descriptor when it is first met.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trtbuild.modelconfig import values

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor


class Field:
    """One field of a message type."""

    __slots__ = (
        "default",
        "is_map",
        "is_text",
        "name",
        "others",
        "presence",
        "read",
        "repeated",
        "table",
        "type_name",
        "word",
    )

    def __init__(self, field: FieldDescriptor) -> None:
        kind = field.cpp_type
        message, oneof = field.message_type, field.containing_oneof
        within = field.containing_type
        self.name: str = field.name
        self.repeated = _is_repeated(field)
        self.is_map = _is_entry(message)
        self.is_text = kind == field.CPPTYPE_STRING
        self.type_name = message.name if message else _TYPE_NAMES.get(kind, "")
        # A map's entries know which of key and value was given, unlike other proto3 messages.
        self.presence = field.has_presence or _is_entry(within)
        self.default: Any = {} if message else field.default_value
        self.others = tuple(f.name for f in oneof.fields if f is not field) if oneof else ()
        self.table: Table | None = table_of(message) if message else None
        self.read, self.word = _reader_and_writer(field)  # atom -> value, value -> word


class Table:
    """The fields of a message type by name, in the order of the schema."""

    __slots__ = ("fields", "name")

    def __init__(self, descriptor: Descriptor) -> None:
        self.name: str = descriptor.name
        self.fields: dict[str, Field] = {field.name: Field(field) for field in descriptor.fields}


@functools.cache
def table_of(descriptor: Descriptor) -> Table:
    """The table of a message type. The schema has no type that contains itself."""
    return Table(descriptor)


def _is_entry(message: Descriptor | None) -> bool:
    return message is not None and bool(message.GetOptions().map_entry)


def _is_repeated(field: Any) -> bool:
    repeated = getattr(field, "is_repeated", None)  # newer protobuf, which warns of `label`
    return bool(field.label == field.LABEL_REPEATED if repeated is None else repeated)


# FieldDescriptor.CPPTYPE_*: numbers of descriptor.h that never change.
_INT32, _INT64, _UINT32, _UINT64, _DOUBLE, _FLOAT, _BOOL, _ENUM, _STRING, _MESSAGE = range(1, 11)
_TYPE_NAMES = {
    _INT32: "a number",
    _INT64: "a number",
    _UINT32: "a number",
    _UINT64: "a number",
    _DOUBLE: "a number",
    _FLOAT: "a number",
    _BOOL: "true or false",
    _ENUM: "a name",
    _STRING: "a text in quotes",
}
_Reader = Callable[[str], values.Value]
_Writer = Callable[[Any], str]
_READERS_AND_WRITERS: dict[int, tuple[_Reader, _Writer]] = {
    _INT32: (values.integer(32, signed=True), str),
    _INT64: (values.integer(64, signed=True), str),
    _UINT32: (values.integer(32, signed=False), str),
    _UINT64: (values.integer(64, signed=False), str),
    _DOUBLE: (values.double, values.word_from_double),
    _FLOAT: (values.single, values.word_from_single),
    _BOOL: (values.boolean, values.word_from_boolean),
    _STRING: (values.no_atom("a text in quotes"), values.word_from_text),
    _MESSAGE: (values.no_atom("'{'"), str),
}


def _reader_and_writer(field: FieldDescriptor) -> tuple[_Reader, _Writer]:
    if (enum := field.enum_type) is None:
        return _READERS_AND_WRITERS[field.cpp_type]
    numbers = {value.name: value.number for value in enum.values}
    names = {number: name for name, number in numbers.items()}

    def word(number: int) -> str:
        return names.get(number, str(number))

    return values.enumeration(enum.name, numbers), word
