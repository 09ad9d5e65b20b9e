"""ReduceMax and ReduceMin of bools by way of int32, which TensorRT reduces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer

_T = onnx.TensorProto


class BoolReductions(Lowering):
    """See the file's docstring."""

    ops = frozenset({"ReduceMax", "ReduceMin"})
    idle = "no bools are reduced"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Reduce as int32, and back."""
        if elem_type(node.inputs[0]) != _T.BOOL:
            return False
        write = writer()
        most = node.op == "ReduceMax"
        if _is_of_nothing(node):  # which TensorRT refuses to reduce
            write.finish(write.constant(np.full(node.outputs[0].shape, not most)))
            return True
        numbers = write.op("Cast", node.inputs[0], to=_T.INT32)
        (reduced,) = write.ops(node.op, 1, numbers, *node.inputs[1:], **node.attrs)
        # Of no values the largest is False and the smallest True, not the ends of int32.
        end = write.constant(0 if most else 1, np.int32)
        reduced = write.op("Max" if most else "Min", reduced, end)
        write.finish(write.op("Cast", reduced, to=_T.BOOL))
        return True


def _is_of_nothing(node: gs.Node) -> bool:
    """Every value of the result is that of no value at all."""
    shapes = [node.inputs[0].shape, node.outputs[0].shape]
    known = all(s is not None and all(isinstance(dim, int) for dim in s) for s in shapes)
    return known and 0 in shapes[0] and 0 not in shapes[1]
