"""The softmax of a row that a mask hides whole: 0 in ONNX's Attention, NaN from TensorRT 10.6.

ONNX's definition of Attention takes the softmax of the masked scores, of -inf alone not a number,
and puts 0 in its place where the largest value of the mask's row is -inf. TensorRT does not find
these rows. Here they are found by comparing each value, and the softmax is taken of numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import LARGEST, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values

_T = onnx.TensorProto
_COPIES = frozenset({"Cast", "CastLike", "Identity"})


class MaskedRows(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Where"})
    idle = "no softmax is replaced where a mask hides all of a row"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Where(Equal(ReduceMax(mask), -inf), other, Softmax(scores)), past copies and casts."""
        equal = _maker(node.inputs[0], "Equal")
        softmax = _maker(node.inputs[2], "Softmax")
        if equal is None or softmax is None:
            return False
        row = next((found for t in equal.inputs if (found := _maker(t, "ReduceMax"))), None)
        lowest = LARGEST.get(elem_type(softmax.inputs[0]))
        if row is None or lowest is None or not any(map(_is_minus_infinity, equal.inputs)):
            return False
        number = elem_type(row.inputs[0])
        if number not in LARGEST:
            return False
        write = writer()
        numpy_type = onnx.helper.tensor_dtype_to_np_dtype
        end = write.constant(-LARGEST[number], numpy_type(number))
        hidden = write.op("Cast", write.op("Less", row.inputs[0], end), to=_T.INT32)
        (all_hidden,) = write.ops("ReduceMin", 1, hidden, *row.inputs[1:], **row.attrs)
        found = write.op("Greater", all_hidden, write.constant(0, np.int32))
        end = write.constant(-lowest, numpy_type(elem_type(softmax.inputs[0])))
        finite = write.op("Max", softmax.inputs[0], end)
        (value,) = write.ops("Softmax", 1, finite, **softmax.attrs)
        if elem_type(softmax.outputs[0]) != elem_type(node.outputs[0]):
            value = write.op("Cast", value, to=elem_type(node.outputs[0]))
        write.finish(write.op("Where", found, node.inputs[1], value))
        return True


def _maker(tensor: gs.Tensor, op: str) -> gs.Node | None:
    """The node of kind `op` that makes `tensor`, past nodes that copy it."""
    while tensor.inputs:
        node = tensor.inputs[0]
        if node.op == op:
            return node
        if node.op not in _COPIES:
            return None
        tensor = node.inputs[0]
    return None


def _is_minus_infinity(tensor: gs.Tensor) -> bool:
    while tensor.inputs and tensor.inputs[0].op in _COPIES:
        tensor = tensor.inputs[0].inputs[0]
    values = constant_values(tensor)
    if values is None and tensor.inputs and tensor.inputs[0].op == "Constant":
        held = tensor.inputs[0].attrs.get("value")
        values = constant_values(held)
    return values is not None and values.size > 0 and bool(np.isneginf(values.astype(float)).all())
