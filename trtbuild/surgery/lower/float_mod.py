"""Mod of floats with fmod=0, whose result has the divisor's sign (since opset 28, as Python's)."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import LARGEST, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer


class FloatMod(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Mod"})
    idle = "no remainder of floats has the divisor's sign"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """By way of C's remainder, which TensorRT has, so that no quotient is rounded."""
        x, y = node.inputs
        if node.attrs.get("fmod", 0) or elem_type(x) not in LARGEST:
            return False
        write = writer()
        rest = write.op("Mod", x, y, fmod=1)
        zero = write.constant(0, onnx.helper.tensor_dtype_to_np_dtype(elem_type(x)))
        other = write.op("Xor", write.op("Less", rest, zero), write.op("Less", y, zero))
        some = write.op("Not", write.op("Equal", rest, zero))
        # A remainder of the other sign than y, and not 0, is one y off.
        off = write.op("And", other, some)
        write.finish(write.op("Where", off, write.op("Add", rest, y), rest))
        return True
