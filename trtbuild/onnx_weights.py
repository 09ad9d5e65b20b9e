"""An ONNX file without its weights in memory: each is read when its turn comes.

A large initializer stays where it lies. Its `TensorProto` has no data of its own but names the
file (absolute), offset and length of its bytes, in the form ONNX has for external data; that
is also how the weights inside the .onnx file are treated. Such a model is called a skeleton;
`onnx_session` runs one, `onnx_write` writes one. Runs in worker processes only.
Field numbers: onnx.proto (ModelProto.graph 7, GraphProto.initializer 5, TensorProto.raw_data 9).
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from trtbuild.errors import SourceError, TrtbuildError, first_line
from trtbuild.onnx_files import external_path
from trtbuild.protowire import (
    LENGTH,
    Buffer,
    Field,
    WireError,
    fields,
    message_bytes,
    varint_bytes,
)
from trtbuild.tensor import dtype_from_onnx

Array = np.ndarray[Any, np.dtype[Any]]

MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9
# Weights under this stay in memory: shape inference and folding want the small ones.
_STAYS_BYTES = 4096


def read_skeleton(path: Path) -> onnx.ModelProto:
    """The model at `path` with its large weights left in the file.

    Raises `TrtbuildError` for external data that is not there, or outside the model's folder.
    """
    model = read_outline(path)
    for tensor in model.graph.initializer:
        if is_stored(tensor) and tensor.external_data[0].value != str(path.absolute()):
            _complete_location(tensor, path)
    for node in model.graph.node:
        _load_attributes(node, path)
    return model


def read_outline(path: Path) -> onnx.ModelProto:
    """The model at `path` to look at: like a skeleton, but external data is as the file says.

    Raises `SourceError` for a file that is damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        try:
            return onnx.ModelProto.FromString(_without_weights(buffer, path))
        except (DecodeError, WireError) as error:
            raise SourceError(
                f"the ONNX file '{path}' is damaged, or nests more than protobuf's 100 levels: "
                f"{first_line(error)}",
                "copy or download it again, or export it with less nesting",
            ) from None


def _without_weights(buffer: Buffer, path: Path) -> bytes:
    out = bytearray()
    for field in fields(buffer):
        if field.number == MODEL_GRAPH and field.wire == LENGTH:
            out += message_bytes(MODEL_GRAPH, _graph_without_weights(buffer, field, path))
        else:
            out += _copied(buffer, field)
    return bytes(out)


def _graph_without_weights(buffer: Buffer, graph: Field, path: Path) -> bytes:
    out = bytearray()
    for field in fields(buffer, graph.start, graph.end):
        large = field.end - field.start >= _STAYS_BYTES
        if field.number == GRAPH_INITIALIZER and field.wire == LENGTH and large:
            out += message_bytes(GRAPH_INITIALIZER, _tensor_without_data(buffer, field, path))
        else:
            out += _copied(buffer, field)
    return bytes(out)


def _tensor_without_data(buffer: Buffer, tensor: Field, path: Path) -> bytes:
    out = bytearray()
    for field in fields(buffer, tensor.start, tensor.end):
        if field.number == TENSOR_RAW_DATA and field.wire == LENGTH:
            out += reference(path, field.start, field.end - field.start).SerializeToString()
        else:
            out += _copied(buffer, field)
    return bytes(out)


def reference(path: Path, offset: int, length: int) -> onnx.TensorProto:
    """A tensor that says of its data only where they lie."""
    tensor = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", path.absolute()), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _complete_location(tensor: onnx.TensorProto, path: Path) -> None:
    """Make the location absolute and give the offset and length that ONNX lets be left out."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = external_path(path, entries.get("location", "")).absolute()
    offset = _number(tensor, entries.get("offset", "0"))
    length = _number(tensor, entries.get("length") or str(size_bytes(tensor)))
    if not location.is_file() or location.stat().st_size < offset + length:
        raise TrtbuildError(
            f"the weight '{tensor.name}' should lie in {location} at bytes {offset} to "
            f"{offset + length}, which the file does not have",
            "copy the external data files of the model beside the .onnx file",
        )
    del tensor.external_data[:]
    tensor.MergeFrom(reference(location, offset, length))


def _number(tensor: onnx.TensorProto, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise SourceError(
            f"the weight '{tensor.name}' has an offset or length of external data that is no "
            f"number: '{text}'",
            "export the model again",
        )
    return int(text)


def _load_attributes(node: onnx.NodeProto, path: Path) -> None:
    """Load external data below the top graph, which is small and rare."""
    for attribute in node.attribute:
        graphs = [attribute.g, *attribute.graphs]
        tensors = [attribute.t, *attribute.tensors]
        for graph in graphs:
            tensors += graph.initializer
            for inner in graph.node:
                _load_attributes(inner, path)
        for tensor in tensors:
            if is_stored(tensor):
                entries = {entry.key: entry.value for entry in tensor.external_data}
                external_path(path, entries.get("location", ""))
                load = onnx.external_data_helper.load_external_data_for_tensor
                load(tensor, str(path.parent))
                tensor.data_location = onnx.TensorProto.DEFAULT
                del tensor.external_data[:]


def is_stored(tensor: onnx.TensorProto) -> bool:
    """Whether the data of `tensor` lies in a file, not in the message."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def size_bytes(tensor: onnx.TensorProto) -> int:
    """The size of the data of `tensor` as raw bytes; of strings, 0."""
    dtype = dtype_from_onnx(tensor.data_type)
    return 0 if dtype is None else (math.prod(tensor.dims) * dtype.bits + 7) // 8


def bytes_of(tensor: onnx.TensorProto) -> memoryview:
    """The raw bytes of a stored tensor, mapped from its file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    length = int(entries["length"])
    if length == 0:
        return memoryview(b"")
    mapped = np.memmap(entries["location"], np.uint8, "r", int(entries["offset"]), (length,))
    return mapped.data


def array_of(tensor: onnx.TensorProto) -> Array:
    """The values of `tensor`; a view of its file wherever the bytes are the values."""
    if not is_stored(tensor):
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    if is_packed(tensor):
        return np.asarray(onnx.numpy_helper.to_array(in_memory(tensor)))
    numpy_type = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.frombuffer(bytes_of(tensor), numpy_type).reshape(tuple(tensor.dims))


def is_packed(tensor: onnx.TensorProto) -> bool:
    """Whether several elements share a byte."""
    dtype = dtype_from_onnx(tensor.data_type)
    return dtype is None or 0 < dtype.bits < 8


def in_memory(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A stored tensor with its data in the message."""
    bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    bare.raw_data = bytes(bytes_of(tensor))
    return bare


def _copied(buffer: Buffer, field: Field) -> bytes:
    if field.wire == LENGTH:
        return message_bytes(field.number, buffer[field.start : field.end])
    key = varint_bytes(field.number << 3 | field.wire)
    return key + buffer[field.start : field.end]
