"""The mean and the inverse deviation that LayerNormalization puts out, computed beside it.

TensorRT's parser takes a LayerNormalization with one output only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, is_read

_EPSILON = 1e-5  # ONNX's default


class LayerNormStatistics(Lowering):
    """See the file's docstring."""

    ops = frozenset({"LayerNormalization"})
    idle = "no LayerNormalization puts out its statistics"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Compute them in the type they are put out in (stash_type)."""
        if not is_read(node, 1) and not is_read(node, 2):
            return False
        x = node.inputs[0]
        axis = int(node.attrs.get("axis", -1))
        if axis >= 0 and x.shape is None:
            return False
        first = axis - len(x.shape) if axis >= 0 else axis
        write = writer()
        (normal,) = write.ops("LayerNormalization", 1, *node.inputs, **node.attrs)
        stash = int(node.attrs.get("stash_type", onnx.TensorProto.FLOAT))
        value = x if elem_type(x) == stash else write.op("Cast", x, to=stash)
        axes = write.constant(range(first, 0), np.int64)
        mean = write.reduce("ReduceMean", value, axes, 1)
        inverse = None
        if is_read(node, 2):
            off = write.op("Sub", value, mean)
            variance = write.reduce("ReduceMean", write.op("Mul", off, off), axes, 1)
            dtype = onnx.helper.tensor_dtype_to_np_dtype(stash)
            epsilon = write.constant(node.attrs.get("epsilon", _EPSILON), dtype)
            inverse = write.op("Reciprocal", write.op("Sqrt", write.op("Add", variance, epsilon)))
        write.finish(normal, mean if is_read(node, 1) else None, inverse)
        return True
