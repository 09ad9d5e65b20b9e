"""The files an ONNX model is made of, found without the onnx package and in constant memory.

Field numbers: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto,
SparseTensorProto, FunctionProto, StringStringEntryProto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from trtbuild.protowire import LENGTH, VARINT, Buffer, fields

# message -> {field number: message it holds}: every way from a model down to a tensor
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_EXTERNAL_DATA = 13  # repeated StringStringEntryProto: key 1, value 2
_TENSOR_DATA_LOCATION = 14
_LOCATION_EXTERNAL = 1


def external_data(path: Path) -> tuple[str, ...]:
    """The locations of external data in the ONNX file at `path`, as written, without repeats.

    Raises `WireError` when the file is no protobuf message or was cut off.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return tuple(dict.fromkeys(_locations(buffer, "model", 0, len(buffer))))


def _locations(buffer: Buffer, message: str, start: int, end: int) -> Iterator[str]:
    children = _CHILDREN[message]
    for field in fields(buffer, start, end):
        child = children.get(field.number) if field.wire == LENGTH else None
        if child == "tensor":
            yield from _location_of_tensor(buffer, field.start, field.end)
        # A search in C spares walking the nodes, nearly all of which hold no such tensor.
        elif child is not None and (
            child == "graph" or buffer.find(b"location", field.start, field.end) >= 0
        ):
            yield from _locations(buffer, child, field.start, field.end)


def _location_of_tensor(buffer: Buffer, start: int, end: int) -> Iterator[str]:
    location, external = "", False
    for field in fields(buffer, start, end):
        if field.number == _TENSOR_DATA_LOCATION and field.wire == VARINT:
            external = field.value == _LOCATION_EXTERNAL
        elif field.number == _TENSOR_EXTERNAL_DATA and field.wire == LENGTH:
            pair = {
                f.number: buffer[f.start : f.end] for f in fields(buffer, field.start, field.end)
            }
            if pair.get(1) == b"location":
                location = pair.get(2, b"").decode(errors="replace")
    if external:
        yield location
