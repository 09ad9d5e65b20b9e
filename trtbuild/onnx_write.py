"""Skeletons (see `onnx_weights`) written with their weights, one at a time.

The message is written field by field: protobuf leaves the order of fields free, and lengths,
which come first, follow from data types and shapes. Runs in worker processes only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

import onnx

from trtbuild.onnx_weights import (
    GRAPH_INITIALIZER,
    MODEL_GRAPH,
    TENSOR_RAW_DATA,
    bytes_of,
    is_stored,
    reference,
    size_bytes,
)
from trtbuild.protowire import key_bytes

Content = Callable[[onnx.TensorProto], memoryview]

# A protobuf message ends at 2 GiB; the rest of the model needs room as well.
INLINE_LIMIT_BYTES = 1_800_000_000
_ALIGNMENT = 4096  # of each weight in a data file: a page, so that it can be mapped by itself


def write(
    model: onnx.ModelProto, path: Path, content: Content = bytes_of, external: bool = False
) -> None:
    """Write a skeleton to `path` with its weights, each read by `content` when its turn comes.

    They go into the file itself, or with `external`, or where a message cannot hold them, into
    `<path>.data`. `model` is left without its initializers.
    """
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    if external or sum(map(size_bytes, tensors)) > INLINE_LIMIT_BYTES:
        with path.with_name(f"{path.name}.data").open("wb") as file:
            tensors = [_written_beside(tensor, file, content) for tensor in tensors]
    with path.open("wb") as file:
        _write_model(model, tensors, file, content)


def _written_beside(
    tensor: onnx.TensorProto, file: IO[bytes], content: Content
) -> onnx.TensorProto:
    """`tensor` with its data in the data file `file`, unless it is small."""
    if not is_stored(tensor):
        return tensor
    file.write(bytes(-file.tell() % _ALIGNMENT))
    moved = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    moved.MergeFrom(reference(Path(file.name), file.tell(), size_bytes(tensor)))
    moved.external_data[0].value = Path(file.name).name
    file.write(content(tensor))
    return moved


def _write_model(
    model: onnx.ModelProto, tensors: list[onnx.TensorProto], file: IO[bytes], content: Content
) -> None:
    """Write the message field by field: the order of fields is free, lengths come first."""
    heads = [_head(tensor, inline=_is_mapped(tensor)) for tensor in tensors]
    sizes = [
        len(head) + (size_bytes(tensor) if _is_mapped(tensor) else 0)
        for head, tensor in zip(heads, tensors, strict=True)
    ]
    graph = model.graph.SerializeToString()
    total = len(graph) + sum(len(key_bytes(GRAPH_INITIALIZER, size)) + size for size in sizes)
    model.ClearField("graph")
    file.write(model.SerializeToString())
    file.write(key_bytes(MODEL_GRAPH, total))
    file.write(graph)
    for tensor, head, size in zip(tensors, heads, sizes, strict=True):
        file.write(key_bytes(GRAPH_INITIALIZER, size))
        file.write(head)
        if _is_mapped(tensor):
            file.write(content(tensor))


def _is_mapped(tensor: onnx.TensorProto) -> bool:
    """Stored under an absolute path: data that is still to be written, not beside the model."""
    return is_stored(tensor) and Path(tensor.external_data[0].value).is_absolute()


def _head(tensor: onnx.TensorProto, inline: bool) -> bytes:
    """The message of `tensor`; with `inline` all of it but the bytes of its raw data."""
    if not inline:
        return tensor.SerializeToString()
    bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    return bare.SerializeToString() + key_bytes(TENSOR_RAW_DATA, size_bytes(tensor))
