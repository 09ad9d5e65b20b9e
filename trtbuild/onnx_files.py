"""The files an ONNX model is made of, found without the onnx package and in constant memory.

Field numbers: onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto,
SparseTensorProto, FunctionProto, StringStringEntryProto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from trtbuild.errors import ForeignNameError, SourceError
from trtbuild.foreign import Fence, open_file, path_inside
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
_NODE_OP_TYPE = 4
_TENSOR_EXTERNAL_DATA = 13  # repeated StringStringEntryProto: key 1, value 2
_TENSOR_DATA_LOCATION = 14
_LOCATION_EXTERNAL = 1


def external_data(path: Path) -> dict[str, int]:
    """The locations of external data in the ONNX file at `path`, in order, as written.

    The value is how many bytes the tensors there need at least. Raises `WireError` when the
    file is no protobuf message or was cut off.
    """
    needed: dict[str, int] = {}
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        for location, size in _locations(buffer, "model", 0, len(buffer)):
            needed[location] = max(size, needed.get(location, 0))
    return needed


def external_files(path: Path) -> tuple[Path, ...]:
    """The external data files of the ONNX file at `path`, in order of first use.

    Raises `SourceError` when one is missing, too short or lies outside the model's folder: the
    rule of the ONNX specification (ExternalData.md), which also keeps a model from a stranger
    from reading files it should not.
    """
    needed = external_data(path)
    return tuple(_external_file(path, location, size) for location, size in needed.items())


def external_path(path: Path, location: str, fence: Fence | None = None) -> Path:
    """Where the ONNX file at `path` keeps the external data that it says are in `location`.

    `fence`: where links may lead; None: nowhere but to the model's folder. Raises `SourceError`
    for a location outside of it; nothing need be there.
    """
    try:
        if PureWindowsPath(location).drive or "\\" in location:
            raise ForeignNameError(f"'{location}' is a path of Windows")
        return path_inside(path.parent, location, fence)
    except ForeignNameError as error:
        raise SourceError(
            f"'{path}' keeps external data in '{location}', which is outside the model's folder: "
            f"{error.message}",
            "put the data file beside the model, as a real file, and save the model anew",
        ) from None


def _external_file(path: Path, location: str, needed_bytes: int) -> Path:
    file = external_path(path, location)
    if not file.is_file():
        raise SourceError(
            f"'{path}' keeps its weights in '{location}', and there is no such file beside it",
            f"copy '{location}' into '{path.parent}'",
        )
    if (size := file.stat().st_size) < needed_bytes:
        raise SourceError(
            f"'{file}' was cut off: it has {size} bytes, and '{path.name}' needs {needed_bytes}",
            "copy or download it again",
        )
    return file


def op_types(path: Path) -> frozenset[str]:
    """The ops of the ONNX file at `path`, those of subgraphs and functions among them.

    Raises `WireError` when the file is no protobuf message or was cut off.
    """
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return frozenset(_op_types(buffer, "model", 0, len(buffer)))


def _op_types(buffer: Buffer, message: str, start: int, end: int) -> Iterator[str]:
    children = _CHILDREN[message]
    for field in fields(buffer, start, end):
        if field.wire != LENGTH:
            continue
        if message == "node" and field.number == _NODE_OP_TYPE:
            yield buffer[field.start : field.end].decode(errors="replace")
        elif children.get(field.number) in ("graph", "function", "node", "attribute"):
            yield from _op_types(buffer, children[field.number], field.start, field.end)


def _locations(buffer: Buffer, message: str, start: int, end: int) -> Iterator[tuple[str, int]]:
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


def _location_of_tensor(buffer: Buffer, start: int, end: int) -> Iterator[tuple[str, int]]:
    entries: dict[bytes, bytes] = {}
    external = False
    for field in fields(buffer, start, end):
        if field.number == _TENSOR_DATA_LOCATION and field.wire == VARINT:
            external = field.value == _LOCATION_EXTERNAL
        elif field.number == _TENSOR_EXTERNAL_DATA and field.wire == LENGTH:
            pair = {f.number: (f.start, f.end) for f in fields(buffer, field.start, field.end)}
            key, value = (buffer[slice(*pair.get(number, (0, 0)))] for number in (1, 2))
            entries[key] = value
    if external:
        size = _number(entries.get(b"offset", b"")) + _number(entries.get(b"length", b""))
        yield entries.get(b"location", b"").decode(errors="replace"), size


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
