"""What Triton's Python backend calls data types, and BYTES tensors as it holds them.

The tables follow triton_python_backend_utils of Triton 2.51: BF16 has no NumPy type there.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from trtbuild.tensor import DTYPES

Array = npt.NDArray[Any]

# Rows in the order of Triton's enum, model_config.proto: TYPE_BOOL is 1, TYPE_BF16 is 14.
_ROWS = [row for row in DTYPES.values() if row.triton]
_WITH_NUMPY = [row for row in _ROWS if row.name != "bf16"]

TRITON_STRING_TO_NUMPY: dict[str, Any] = {
    row.triton: np.dtype(row.numpy).type for row in _WITH_NUMPY
} | {"TYPE_BOOL": bool}
TRITON_TO_NUMPY: dict[int, Any] = {
    number: np.dtype(row.numpy).type for number, row in enumerate(_WITH_NUMPY, 1)
}
# NumPy type -> wire name. A type of the other byte order equals none of these.
WIRE: dict[np.dtype[Any], str] = {np.dtype(row.numpy): row.kserve for row in _WITH_NUMPY}
_NUMBER = {row.kserve: number for number, row in enumerate(_ROWS, 1)}


def wire_name(dtype: np.dtype[Any]) -> str | None:
    """`FP32` for float32; None for a type that no tensor can have."""
    return WIRE.get(dtype) or ("BYTES" if dtype.kind == "S" else None)


def enum_number(wire: str) -> int:
    """The number of a wire name in Triton's enum DataType."""
    return _NUMBER[wire]


def serialize_byte_tensor(array: Array) -> bytes | tuple[()] | None:
    """Elements of an object or `S` array, each as a 4-byte length and its bytes, in C order.

    What is not bytes is written as its `str`, in UTF-8. Other dtypes give None, no elements `()`.
    """
    if array.size == 0:
        return ()
    if array.dtype.kind not in "OS":
        return None
    parts: list[bytes] = []
    for element in array.ravel().tolist():
        data = element if type(element) is bytes else str(element).encode()
        parts += (struct.pack("<I", len(data)), data)
    return b"".join(parts)


def deserialize_bytes_tensor(encoded: bytes | Array) -> Array:
    """The elements of a serialized tensor, as a 1-D object array of bytes."""
    data = bytes(encoded) if not isinstance(encoded, bytes) else encoded
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        (element,) = struct.unpack_from(f"<{size}s", data, at + 4)
        elements.append(element)
        at += 4 + size
    array = np.empty(len(elements), object)
    array[:] = elements
    return array
