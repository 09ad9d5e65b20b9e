"""Mod of floats: with fmod=0 it has the divisor's sign (since opset 28, as Python's), and by an
infinity there remains what is divided.

TensorRT has C's remainder alone, and by an infinity makes not a number of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import LARGEST, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values


class FloatMod(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Mod"})
    idle = "no remainder of floats is another than TensorRT's"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """By way of C's remainder, so that no quotient is rounded."""
        x, y = node.inputs
        if elem_type(x) not in LARGEST:
            return False
        cs = bool(node.attrs.get("fmod", 0))
        divisors = constant_values(y)
        finite = divisors is not None and bool(np.isfinite(divisors.astype(np.float64)).all())
        if cs and finite:
            return False
        write = writer()
        rest = write.op("Mod", x, y, fmod=1)
        if not finite:
            rest = _by_infinity(write, x, y, rest)
        write.finish(rest if cs else _with_sign_of(write, y, rest))
        return True


def _by_infinity(write: Writer, x: gs.Tensor, y: gs.Tensor, rest: gs.Tensor) -> gs.Tensor:
    """The remainder; x where only y is infinite."""
    number = elem_type(x)
    end = write.constant(LARGEST[number], onnx.helper.tensor_dtype_to_np_dtype(number))
    infinite = [write.op("Greater", write.op("Abs", tensor), end) for tensor in (x, y)]
    only = write.op("And", infinite[1], write.op("Not", infinite[0]))
    return write.op("Where", only, x, rest)


def _with_sign_of(write: Writer, y: gs.Tensor, rest: gs.Tensor) -> gs.Tensor:
    """A remainder of the other sign than y, and not 0, is one y off."""
    number = elem_type(y)
    zero = write.constant(0, onnx.helper.tensor_dtype_to_np_dtype(number))
    other = write.op("Xor", write.op("Less", rest, zero), write.op("Less", y, zero))
    some = write.op("Not", write.op("Equal", rest, zero))
    off = write.op("And", other, some)
    return write.op("Where", off, write.op("Add", rest, y), rest)
