"""Trilu as a choice by a mask.

TensorRT 10.6 keeps the wrong triangle of integers where `upper` is 1 and k is not 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_LARGEST_MASK = 1 << 20  # bytes; a larger one is computed


class Triangles(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Trilu"})
    idle = "the model takes no triangle of integers"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite those of integers and bools."""
        x = node.inputs[0]
        number = elem_type(x)
        if number in _FLOATS or not number:
            return False
        write = writer()
        zero = write.constant(0, onnx.helper.tensor_dtype_to_np_dtype(number))
        write.finish(write.op("Where", _mask(node, write), x, zero))
        return True


def _mask(node: gs.Node, write: Writer) -> gs.Tensor:
    """True [rows, columns] where the value stays."""
    x, upper = node.inputs[0], int(node.attrs.get("upper", 1))
    given = optional(node, 1)
    k = np.zeros((), np.int64) if given is None else constant_values(given)
    sizes = _sizes(x)
    if k is not None and sizes is not None:
        ones = np.full(sizes, True)
        offset = int(k.ravel()[0])
        return write.constant(np.triu(ones, offset) if upper else np.tril(ones, offset))
    shape = write.op("Shape", x)
    down = write.shaped("Unsqueeze", _count(shape, -2, write), [1])
    first = write.op("Add", down, given if given is not None else write.constant(0, np.int64))
    right = write.shaped("Unsqueeze", _count(shape, -1, write), [0])
    return write.op("Not", write.op("Less", *((right, first) if upper else (first, right))))


def _sizes(x: gs.Tensor) -> tuple[int, int] | None:
    """Rows and columns, where a mask of them can be a constant."""
    rows, columns = x.shape[-2:] if x.shape is not None else (None, None)
    if not isinstance(rows, int) or not isinstance(columns, int):
        return None
    return (rows, columns) if rows * columns <= _LARGEST_MASK else None


def _count(shape: gs.Tensor, index: int, write: Writer) -> gs.Tensor:
    """0, 1, 2 ... to the size of dim `index`."""
    size = write.op("Gather", shape, write.constant(index, np.int64), axis=0)
    return write.op("Range", write.constant(0, np.int64), size, write.constant(1, np.int64))
