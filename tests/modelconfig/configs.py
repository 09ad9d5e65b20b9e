"""Any `ModelConfig` at all, as hypothesis draws it: every field of every message, by the schema."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from trtbuild.modelconfig.fields import Field, Table, table_of
from trtbuild.modelconfig.schema import Config, new_config, schema

# The same examples in every run, however slow the machine is.
steady = settings(derandomize=True, deadline=None)

# Not the surrogates, which no UTF-8 text has.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


@functools.cache
def _scalars(message: str, name: str) -> st.SearchStrategy[Any]:
    field = _descriptor(message).fields_by_name[name]
    kinds = ["", "int32", "int64", "uint32", "uint64", "double", "float", "bool", "enum", "string"]
    kind = kinds[field.cpp_type]
    if kind in _INTEGERS:
        return st.integers(*_INTEGERS[kind])
    return {
        "double": st.floats(allow_nan=False),
        "float": st.floats(width=32, allow_nan=False),
        "bool": st.booleans(),
        "enum": st.integers(-3, 20) | st.sampled_from([-(2**31), 2**31 - 1]),
        "string": TEXTS,
    }[kind]


def _descriptor(message: str) -> Any:
    return schema().DESCRIPTOR.pool.FindMessageTypeByName(message)


def _values(message: str, field: Field) -> st.SearchStrategy[Any]:
    if field.table is None:
        return _scalars(message, field.name)
    child = _descriptor(message).fields_by_name[field.name].message_type.full_name
    if not field.is_map:
        return messages(child, field.table)
    entry = field.table.fields
    return st.tuples(_values(child, entry["key"]), _values(child, entry["value"]))


@functools.cache
def messages(name: str, table: Table) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of a message of type `name` as keyword arguments of its class."""

    @st.composite
    def draw(draw: st.DrawFn) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(sorted(table.fields)), unique=True, max_size=4))
        found: dict[str, Any] = {}
        for field in (table.fields[name] for name in names):
            if any(other in found for other in field.others):
                continue
            values = _values(name, field)
            if field.repeated:
                several = draw(st.lists(values, max_size=3))
                found[field.name] = dict(several) if field.is_map else several
            else:
                found[field.name] = draw(values)
        return found

    return draw() if table.fields else st.just({})


def configs() -> st.SearchStrategy[Config]:
    """Every config that protobuf can hold, sound or not."""
    table = table_of(schema().ModelConfig.DESCRIPTOR)
    return messages("inference.ModelConfig", table).map(lambda fields: new_config(**fields))
