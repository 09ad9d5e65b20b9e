"""How tensors, data types and dims are spelled in messages."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from trtbuild.modelconfig.write import natural
from trtbuild.tensor import DTYPES

# The numbers of enum DataType in Triton's model_config.proto, in order.
_DATA_TYPES = (
    *("INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32"),
    *("INT64", "FP16", "FP32", "FP64", "STRING", "BF16"),
)
_MOST = 40  # names that a message lists
STRING = _DATA_TYPES.index("STRING")
_BITS = {row.triton.removeprefix("TYPE_"): row.bits for row in DTYPES.values() if row.triton}


def data_type(number: int) -> str:
    """`TYPE_FP32`, also for a number that no data type has."""
    known = 0 <= number < len(_DATA_TYPES)
    return f"TYPE_{_DATA_TYPES[number]}" if known else str(number)


def data_type_number(name: str) -> int:
    """The number of `TYPE_FP32`; 0 where Triton has no such type."""
    name = name.removeprefix("TYPE_")
    return _DATA_TYPES.index(name) if name in _DATA_TYPES else 0


def element_bytes(number: int) -> int:
    """Bytes of one element; 0 for strings and for numbers that no data type has."""
    known = 0 < number < len(_DATA_TYPES)
    return _BITS.get(_DATA_TYPES[number], 0) // 8 if known else 0


def dims(values: Iterable[int]) -> str:
    """`[-1, 3, 224, 224]`."""
    return "[" + ", ".join(str(value) for value in values) + "]"


def one_of(names: Iterable[str], nothing: str = "none") -> str:
    """`images, mask`: what there is to choose from; numbers ascending, "8.0, 12.0".

    Of very many the first: a message is read, and each of a thousand may name a thousand.
    """
    there = tuple(names)
    shown = ", ".join(heapq.nsmallest(_MOST, there, key=natural))
    return (f"{shown} and {len(there) - _MOST} more" if len(there) > _MOST else shown) or nothing


def few_of(names: Sequence[str], most: int = 3) -> str:
    """`'a', 'b', 'c' and 8 more`."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def elements(values: Sequence[int]) -> int:
    """The product; -1 where a dim varies."""
    product = 1
    for value in values:
        if value < 0:
            return -1
        product *= value
    return product
