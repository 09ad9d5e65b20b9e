"""BitShift, BitwiseAnd, BitwiseOr, BitwiseXor and BitwiseNot by arithmetic.

No parser of TensorRT knows them for integers. A value is split into its bits along a new last dim.
64-bit values have a sign that no wider type holds, so of those only BitwiseNot is written.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer

_T = onnx.TensorProto
_BITS: dict[int, int] = {
    _T.INT8: 8,
    _T.UINT8: 8,
    _T.INT16: 16,
    _T.UINT16: 16,
    _T.INT32: 32,
    _T.UINT32: 32,
}
_SIGNED = {_T.INT8, _T.INT16, _T.INT32}


class Bits(Lowering):
    """See the file's docstring."""

    ops = frozenset({"BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"})
    idle = "the model computes with no bits"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite ops of up to 32 bits."""
        number = elem_type(node.inputs[0])
        if node.op == "BitwiseNot" and (number in _SIGNED or number == _T.INT64):
            write = writer()
            dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
            write.finish(write.op("Sub", write.constant(-1, dtype), node.inputs[0]))
            return True
        if number not in _BITS:
            return False
        write = writer()
        wide = [write.op("Cast", tensor, to=_T.INT64) for tensor in node.inputs]
        modulus = write.constant(1 << _BITS[number], np.int64)
        values = [write.op("Mod", tensor, modulus) for tensor in wide]  # now not negative
        if node.op == "BitShift":
            result = _shifted(node, write, wide[0], values[1], _BITS[number])
        else:
            result = _computed(node, write, values, _BITS[number])
        if number in _SIGNED:  # from 0 .. 2^n - 1 back
            half = write.constant(1 << (_BITS[number] - 1), np.int64)
            moved = write.op("Mod", write.op("Add", result, half), modulus)
            result = write.op("Sub", moved, half)
        write.finish(write.op("Cast", result, to=number))
        return True


def _computed(node: gs.Node, write: Writer, values: list[gs.Tensor], bits: int) -> gs.Tensor:
    """The op on values from 0 to 2^bits - 1, as such a value."""
    if node.op == "BitwiseNot":
        return write.op("Sub", write.constant((1 << bits) - 1, np.int64), values[0])
    powers = write.constant([1 << n for n in range(bits)], np.int64)
    two = write.constant(2, np.int64)
    split = []
    for value in values:
        column = write.shaped("Unsqueeze", value, [-1])
        split.append(write.op("Mod", write.op("Div", column, powers), two))
    if node.op == "BitwiseAnd":
        both = write.op("Mul", *split)
    elif node.op == "BitwiseOr":
        both = write.op("Max", *split)
    else:
        both = write.op("Mod", write.op("Add", *split), two)
    weighted = write.op("Mul", both, powers)
    return write.reduce("ReduceSum", weighted, write.constant([-1], np.int64), 0)


def _shifted(node: gs.Node, write: Writer, value: gs.Tensor, by: gs.Tensor, bits: int) -> gs.Tensor:
    """`value` times or divided by a power of 2; shifted by its width or more, it is gone.

    A signed value keeps its sign when it goes right: it is divided and rounded down.
    """
    last = write.constant(bits, np.int64)
    left = node.attrs["direction"] in ("LEFT", b"LEFT")
    powers = [1 << n for n in range(bits)] + [0 if left else 1 << bits]
    power = write.op("Gather", write.constant(powers, np.int64), write.op("Min", by, last), axis=0)
    if left:
        return write.op("Mod", write.op("Mul", value, power), write.constant(1 << bits, np.int64))
    return write.op("Div", write.op("Sub", value, write.op("Mod", value, power)), power)
