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
        numbers = write.op("Cast", node.inputs[0], to=_T.INT32)
        (reduced,) = write.ops(node.op, 1, numbers, *node.inputs[1:], **node.attrs)
        # Of no values the largest is False and the smallest True, not the ends of int32.
        most = node.op == "ReduceMax"
        end = write.constant(0 if most else 1, np.int32)
        reduced = write.op("Max" if most else "Min", reduced, end)
        write.finish(write.op("Cast", reduced, to=_T.BOOL))
        return True
