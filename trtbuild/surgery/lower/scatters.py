"""ScatterND and ScatterElements that add, multiply or take the larger or smaller value.

TensorRT's ScatterND replaces values alone, and its ScatterElements asks for a plugin that TensorRT
for RTX has not. Here every place looks at every update, and those meant for it are reduced: for
few places and updates, which is what a bound on their product sees to.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import LARGEST, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer

_T = onnx.TensorProto
_MOST = 1 << 20  # updates times places
_REDUCED = {  # reduction -> what reduces the updates, what joins them with the data
    "add": ("ReduceSum", "Add"),
    "mul": ("ReduceProd", "Mul"),
    "max": ("ReduceMax", "Max"),
    "min": ("ReduceMin", "Min"),
}


class Scatters(Lowering):
    """See the file's docstring."""

    ops = frozenset({"ScatterND", "ScatterElements"})
    idle = "nothing is scattered that would be reduced"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite reductions of floats of known shapes."""
        reduction = node.attrs.get("reduction", "none")
        reduction = reduction.decode() if isinstance(reduction, bytes) else reduction
        data, indices, updates = node.inputs
        shapes = [tensor.shape for tensor in node.inputs]
        if reduction not in _REDUCED or elem_type(data) not in LARGEST:
            return False
        if any(s is None or not all(isinstance(d, int) for d in s) for s in shapes):
            return False
        depth = indices.shape[-1] if node.op == "ScatterND" else len(data.shape)
        inner = math.prod(data.shape[depth:])
        places, count = math.prod(data.shape[:depth]), math.prod(updates.shape) // max(1, inner)
        if places * count * inner > _MOST or not places * count * inner:
            return False
        write = writer()
        at = _of_vectors(write, node, depth) if node.op == "ScatterND" else _of_values(write, node)
        at = write.op("Reshape", at, write.constant([count, 1], np.int64))
        hit = write.op("Equal", at, write.constant(np.arange(places), np.int64))
        flat = [
            write.op("Reshape", tensor, write.constant([rows, inner], np.int64))
            for tensor, rows in ((data, places), (updates, count))
        ]
        made = _reduced(write, reduction, hit, *flat)
        write.finish(write.op("Reshape", made, write.constant(data.shape, np.int64)))
        return True


def _counted(write: Writer, index: gs.Tensor, sizes: gs.Tensor) -> gs.Tensor:
    """Indices in int64, those from the end counted from the start."""
    if elem_type(index) != _T.INT64:
        index = write.op("Cast", index, to=_T.INT64)
    below = write.op("Less", index, write.constant(0, np.int64))
    return write.op("Where", below, write.op("Add", index, sizes), index)


def _of_vectors(write: Writer, node: gs.Node, depth: int) -> gs.Tensor:
    """The place of each row of `indices` [..., depth] among those of the first dims."""
    sizes = node.inputs[0].shape[:depth]
    index = _counted(write, node.inputs[1], write.constant(sizes, np.int64))
    strides = [math.prod(sizes[i + 1 :]) for i in range(depth)]
    steps = write.op("Mul", index, write.constant(strides, np.int64))
    return write.reduce("ReduceSum", steps, write.constant([-1], np.int64), 0)


def _of_values(write: Writer, node: gs.Node) -> gs.Tensor:
    """The place of each value of `indices` among all of the data."""
    data, indices = node.inputs[:2]
    rank = len(data.shape)
    axis = int(node.attrs.get("axis", 0)) % rank
    strides = [math.prod(data.shape[i + 1 :]) for i in range(rank)]
    base = sum(
        np.arange(size).reshape([-1 if i == d else 1 for i in range(rank)]) * strides[d]
        for d, size in enumerate(indices.shape)
        if d != axis
    )
    index = _counted(write, indices, write.constant(data.shape[axis], np.int64))
    steps = write.op("Mul", index, write.constant(strides[axis], np.int64))
    return write.op("Add", steps, write.constant(base, np.int64))


def _reduced(
    write: Writer, reduction: str, hit: gs.Tensor, data: gs.Tensor, updates: gs.Tensor
) -> gs.Tensor:
    """Data [places, inner] joined with the updates [n, inner] that `hit` [n, places] sends."""
    number = elem_type(write.node.inputs[0])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
    reduce, join = _REDUCED[reduction]
    end = LARGEST[number]
    neutral = {"add": 0.0, "mul": 1.0, "max": -end, "min": end}[reduction]
    first = write.constant([0], np.int64)
    each = write.op(
        "Where",
        write.shaped("Unsqueeze", hit, [2]),
        write.shaped("Unsqueeze", updates, [1]),
        write.constant(neutral, dtype),
    )
    joined = write.op(join, data, write.reduce(reduce, each, first, 0))
    if reduction in ("add", "mul"):
        return joined
    # The neutral value is finite: where nothing is sent, an infinity of the data stays.
    sent = write.reduce("ReduceMax", write.op("Cast", hit, to=_T.INT32), first, 0)
    some = write.op("Greater", sent, write.constant(0, np.int32))
    return write.op("Where", write.shaped("Unsqueeze", some, [1]), joined, data)
