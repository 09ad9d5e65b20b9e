"""Tensor data between its three forms: wire bytes, NumPy arrays, JSON values.

Wire form (KServe v2, binary tensor data extension): row-major, little-endian; BYTES elements
one after the other, each as a 4-byte length and its bytes. BF16 is held as uint16: NumPy has no
such type, and only backends that compute need to know more.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trtbuild.tensor import DTYPES
from trtserve.errors import ServeError, invalid
from trtserve.request import Buffer

Array = npt.NDArray[Any]

# Wire name -> NumPy type. BYTES as arrays are object arrays of bytes.
NUMPY: dict[str, np.dtype[Any]] = {
    row.kserve: np.dtype("uint16" if row.name == "bf16" else row.numpy)
    for row in DTYPES.values()
    if row.kserve
}
# Wire name -> bytes an element; 0: BYTES.
SIZES: dict[str, int] = {row.kserve: row.bits // 8 for row in DTYPES.values() if row.kserve}
_MAX_ELEMENTS = 2**60 - 1  # of eight bytes each: the bytes are a 63-bit number
MAX_DEPTH = 100  # nested lists; Triton's limit on JSON nesting
_NO_JSON = ("FP16", "BF16")
# Up to here a copy costs less than a view does.
COPY_BYTES = 4096
_LENGTH = struct.Struct("<I")
# What each kind of NumPy type takes from JSON. `bool` is not among the numbers: Triton refuses it.
_JSON_TYPES: dict[str, set[type]] = {
    "b": {bool},
    "i": {int},
    "u": {int},
    "f": {int, float},
    "O": {str},
}


def element_count(shape: Sequence[int], name: str) -> int:
    """How many elements `shape` has. Raises `ServeError` where their bytes overflow 63 bits."""
    # NumPy and ONNX Runtime multiply the dims beside a 0 too, for strides.
    span = math.prod(filter(None, shape))
    if min(shape, default=0) < 0 or span > _MAX_ELEMENTS:
        raise invalid(f"input '{name}' has the shape {shape_text(shape)}, which no tensor can have")
    return 0 if 0 in shape else span


def byte_size(dtype: str, shape: Sequence[int], name: str) -> int:
    """Bytes of a tensor in wire form, -1 for BYTES. Raises `ServeError` on overflow."""
    size = SIZES[dtype]
    count = element_count(shape, name)
    return count * size if size else -1


def shape_text(shape: Sequence[int]) -> str:
    """`[1,16]`, as Triton prints shapes."""
    return "[" + ",".join(str(dim) for dim in shape) + "]"


def array_from_wire(data: Buffer, dtype: str, shape: Sequence[int]) -> Array:
    """The tensor as an array; a view wherever NumPy has the type, else decoded BYTES."""
    if dtype == "BYTES":
        array = np.empty(math.prod(shape), dtype=object)
        array[:] = bytes_elements(data)
        return array.reshape(shape)
    return np.frombuffer(data, NUMPY[dtype]).reshape(shape)


def wire_from_array(array: Array, dtype: str) -> Buffer:
    """An array's elements in wire form; a view where the array is large and contiguous."""
    if dtype == "BYTES":
        return wire_from_elements(_as_bytes(element) for element in array.ravel())
    if array.nbytes <= COPY_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _as_bytes(element: Any) -> bytes:
    return element if isinstance(element, bytes) else str(element).encode()


def wire_from_elements(elements: Iterable[bytes]) -> bytes:
    """BYTES elements in wire form."""
    parts: list[bytes] = []
    for element in elements:
        parts += (_LENGTH.pack(len(element)), element)
    return b"".join(parts)


def bytes_elements(data: Buffer) -> list[bytes]:
    """The elements of a BYTES tensor. Raises `ValueError` where lengths and data disagree."""
    elements = []
    offset, end = 0, len(data)
    while offset < end:
        start = offset + 4
        if start > end:
            raise ValueError(f"{end - offset} bytes are left where a 4-byte length should be")
        offset = start + _LENGTH.unpack_from(data, start - 4)[0]
        if offset > end:
            raise ValueError(f"an element of {offset - start} bytes has {end - start} left")
        elements.append(bytes(data[start:offset]))
    return elements


def wire_from_json(data: Any, dtype: str, shape: Sequence[int], name: str) -> Buffer:
    """What the `data` of a JSON tensor says, in wire form. Raises `ServeError`."""
    if dtype in _NO_JSON:
        raise invalid(f"input '{name}': {dtype} cannot be sent as JSON, send it as binary data")
    count = element_count(shape, name)
    flat = _flat(data, count, name)
    if len(flat) != count:
        more = " or more" if len(flat) > count and flat is not data else ""
        raise invalid(
            f"input '{name}' of shape {shape_text(shape)} needs {count} elements in 'data', "
            f"got {len(flat)}{more}"
        )
    wanted = NUMPY[dtype]
    if not set(map(type, flat)) <= _JSON_TYPES[wanted.kind]:
        raise invalid(f"input '{name}': 'data' holds a value that is no {dtype}")
    if wanted.kind == "O":
        return wire_from_elements(text.encode() for text in flat)
    try:
        with np.errstate(over="raise"):
            return np.array(flat, wanted).tobytes()
    except (OverflowError, FloatingPointError):
        raise invalid(f"input '{name}': 'data' holds a number that {dtype} cannot hold") from None


def _flat(data: Any, most: int, name: str) -> list[Any]:
    """The elements of nested lists, in one pass that ends soon after there are more than `most`."""
    if not isinstance(data, list):
        raise invalid(f"input '{name}': 'data' must be an array")
    if list not in set(map(type, data)):
        return data
    flat: list[Any] = []
    _gather(data, flat, most, 1, name)
    return flat


def _gather(items: list[Any], flat: list[Any], most: int, depth: int, name: str) -> None:
    if depth > MAX_DEPTH:
        raise invalid(f"input '{name}': 'data' is nested deeper than {MAX_DEPTH} arrays")
    if list not in set(map(type, items)):
        flat += items  # most lists hold nothing but elements, or nothing but lists
        return
    for item in items:
        if isinstance(item, list):
            _gather(item, flat, most, depth + 1, name)
        else:
            flat.append(item)
        if len(flat) > most:
            return


def json_from_wire(data: Buffer, dtype: str, name: str) -> Any:
    """A tensor as a value that orjson writes. Raises `ServeError` for FP16 and BF16."""
    if dtype in _NO_JSON:
        raise invalid(f"output '{name}': {dtype} cannot be sent as JSON, ask for binary data")
    if dtype == "BYTES":
        return [element.decode("utf-8", "replace") for element in bytes_elements(data)]
    return np.frombuffer(data, NUMPY[dtype])


def check_bytes(data: Buffer, shape: Sequence[int], name: str) -> None:
    """A BYTES tensor holds as many elements as its shape says. Raises `ServeError`."""
    count = element_count(shape, name)
    offset, end = 0, len(data)
    found = 0
    # No list is made, and what is more than enough is not looked at: 64 MiB may hold 16 million.
    while offset < end and found <= count:
        start = offset + 4
        if start > end:
            raise _torn(name, f"{end - offset} bytes are left where a 4-byte length should be")
        offset = start + _LENGTH.unpack_from(data, offset)[0]
        if offset > end:
            raise _torn(name, f"an element of {offset - start} bytes has {end - start} left")
        found += 1
    if found != count:
        more = "" if offset == end else " or more"
        raise invalid(f"expected {count} strings for inference input '{name}', got {found}{more}")


def _torn(name: str, what: str) -> ServeError:
    return invalid(f"input '{name}' is no BYTES tensor: {what}")
