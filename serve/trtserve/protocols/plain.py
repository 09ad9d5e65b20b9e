"""Protobuf messages as the JSON that Triton gives: field names as in the .proto, enums by name,
64-bit numbers as numbers, scalars also where they have their default.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_MESSAGE, _ENUM, _BYTES = (
    FieldDescriptor.CPPTYPE_MESSAGE,
    FieldDescriptor.CPPTYPE_ENUM,
    FieldDescriptor.TYPE_BYTES,
)


def plain(message: Any) -> Any:
    """`message` as dicts, lists, numbers and strings."""
    result: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if _is_map(field):
            inner = field.message_type.fields_by_name["value"]
            result[field.name] = {str(key): _value(inner, value[key]) for key in value}
        elif _repeated(field):
            result[field.name] = [_value(field, each) for each in value]
        elif field.has_presence and not message.HasField(field.name):
            continue
        else:
            result[field.name] = _value(field, value)
    return result


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _value(field: Any, value: Any) -> Any:
    if field.cpp_type == _MESSAGE:
        return plain(value)
    if field.cpp_type == _ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if field.type == _BYTES:
        return value.decode("latin-1")
    return value
