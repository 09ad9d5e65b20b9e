"""QuantizeLinear and DequantizeLinear of integers that TensorRT does not quantize to, and the ops
that compute with quantized integers: their definition in fp32.

TensorRT quantizes to int8 without a zero point (and fp8, int4, fp4): those stay, they are how it
is told to compute in few bits. MatMulInteger and ConvInteger are exact in fp32 as long as no sum
can reach 2^24, the first integer whose successor fp32 lacks; larger ones are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.odd_floats import ODD
from trtbuild.surgery.lower.writer import Lowering, Writer, optional

_T = onnx.TensorProto
_RANGES: dict[int, tuple[int, int]] = {
    _T.INT2: (-2, 1),
    _T.UINT2: (0, 3),
    _T.INT4: (-8, 7),
    _T.UINT4: (0, 15),
    _T.UINT8: (0, 255),
    _T.INT8: (-128, 127),
    _T.UINT16: (0, 65535),
    _T.INT16: (-32768, 32767),
}
_EXACT = 1 << 24


class Quantizers(Lowering):
    """See the file's docstring."""

    ops = frozenset(
        {
            "ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul",
            "QuantizeLinear",
        }
    )  # fmt: skip
    idle = "nothing is quantized to integers that TensorRT has not"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Write the definition, where it is exact."""
        if node.op in ("MatMulInteger", "ConvInteger"):
            return _integer_product(node, writer)
        if node.op in ("QLinearMatMul", "QLinearConv"):
            return _quantized_product(node, writer)
        number = elem_type(node.inputs[0] if node.op == "DequantizeLinear" else node.outputs[0])
        if number not in (*_RANGES, *ODD, _T.INT32) or _stays(node, number):
            return False
        write = writer()
        x, *grid = node.inputs[:3]
        grid = [_over_blocks(write, node, tensor) for tensor in grid]
        if node.op == "DequantizeLinear":
            write.finish(_dequantized(write, node, x, *grid))
        elif number in ODD:
            write.finish(_coded(write, node, grid[0], number))
        else:
            write.finish(_quantized(write, x, grid, number, int(node.attrs.get("axis", 1))))
        return True


def _stays(node: gs.Node, number: int) -> bool:
    """It is how TensorRT is told to compute in few bits, or has blocks of an unknown count."""
    if number == _T.INT8 and optional(node, 2) is None:
        return True
    if number == _T.INT4 and isinstance(node.inputs[0], gs.Constant):
        return True
    return bool(node.attrs.get("block_size", 0)) and not _has_known_blocks(node)


def _coded(write: Writer, node: gs.Node, scale: gs.Tensor, number: int) -> gs.Tensor:
    """The quotient of x and scale cast to a float of few bits; those have no zero point."""
    x, axis = node.inputs[0], int(node.attrs.get("axis", 1))
    quotient = write.op("Div", _floats(write, x), _along(write, scale, axis, len(x.shape or [])))
    return write.op("Cast", quotient, to=number, saturate=int(node.attrs.get("saturate", 1)))


def _has_known_blocks(node: gs.Node) -> bool:
    shape = node.inputs[0].shape
    axis = int(node.attrs.get("axis", 1))
    return shape is not None and axis < len(shape) and isinstance(shape[axis], int)


def _over_blocks(write: Writer, node: gs.Node, tensor: gs.Tensor) -> gs.Tensor:
    """A scale or zero point, where there is one for each block along the axis repeated over it."""
    size = int(node.attrs.get("block_size", 0))
    if not size or not tensor.name:
        return tensor
    axis = int(node.attrs.get("axis", 1))
    blocks = np.arange(node.inputs[0].shape[axis]) // size
    wide = write.op("Gather", _floats(write, tensor), write.constant(blocks, np.int64), axis=axis)
    wide.dtype, wide.shape = np.float32, list(node.inputs[0].shape)
    return wide


def _floats(write: Writer, tensor: gs.Tensor, number: int = _T.FLOAT) -> gs.Tensor:
    return tensor if elem_type(tensor) == number else write.op("Cast", tensor, to=number)


def _along(write: Writer, tensor: gs.Tensor, axis: int, rank: int) -> gs.Tensor:
    """A scale or zero point in fp32, one of one dim in the place of `axis`."""
    value = _floats(write, tensor)
    if not tensor.shape or len(tensor.shape) != 1:
        return value
    if tensor.shape == [1]:
        return write.op("Reshape", value, write.constant([], np.int64))
    axis = axis % rank if rank else 0
    shape = [-1, *[1] * (rank - axis - 1)]
    return write.op("Reshape", value, write.constant(shape, np.int64))


def _dequantized(
    write: Writer, node: gs.Node, x: gs.Tensor, scale: gs.Tensor, zero: gs.Tensor | None = None
) -> gs.Tensor:
    """(x - zero point) * scale, computed in fp32, in the type of the scale."""
    axis, rank = int(node.attrs.get("axis", 1)), len(x.shape or [])
    value = _floats(write, x)
    if zero is not None and zero.name:
        value = write.op("Sub", value, _along(write, zero, axis, rank))
    value = write.op("Mul", value, _along(write, scale, axis, rank))
    number = int(node.attrs.get("output_dtype", 0)) or elem_type(node.inputs[1])
    return value if number == _T.FLOAT else write.op("Cast", value, to=number)


def _quantized(
    write: Writer, x: gs.Tensor, grid: Sequence[gs.Tensor], number: int, axis: int
) -> gs.Tensor:
    """The quotient of x and scale rounded half to even, plus the zero point, within the type.

    `grid`: the scale and, where it is given, the zero point.
    """
    scale, zero = grid[0], grid[1] if len(grid) > 1 else None
    rank = len(x.shape or [])
    value = write.op("Div", _floats(write, x), _along(write, scale, axis, rank))
    value = write.op("Round", value)
    if zero is not None and zero.name:
        value = write.op("Add", value, _along(write, zero, axis, rank))
    low, high = (write.constant(bound, np.float32) for bound in _RANGES[number])
    return write.op("Cast", write.op("Clip", value, low, high), to=number)


def _integer_product(node: gs.Node, writer: Callable[[], Writer]) -> bool:
    """MatMulInteger and ConvInteger: the product of what is left without the zero points."""
    left, right = node.inputs[:2]
    if not _is_exact(right, node.op == "ConvInteger"):
        return False
    write = writer()
    values = [_floats(write, left), _floats(write, right)]
    for index, zero in ((0, optional(node, 2)), (1, optional(node, 3))):
        if zero is not None:
            values[index] = write.op("Sub", values[index], _rows(write, node, index, zero))
    op = "MatMul" if node.op == "MatMulInteger" else "Conv"
    write.finish(write.op("Cast", write.op(op, *values, **node.attrs), to=_T.INT32))
    return True


def _is_exact(right: gs.Tensor, convolution: bool) -> bool:
    """No sum of products with `right`, weights or a matrix, leaves fp32's whole numbers."""
    shape = right.shape
    if shape is None or len(shape) < 2 or not all(isinstance(dim, int) for dim in shape):
        return False
    terms = math.prod(shape[1:]) if convolution else shape[-2]
    return bool(terms * 255 * 255 < _EXACT)


def _rows(write: Writer, node: gs.Node, index: int, zero: gs.Tensor) -> gs.Tensor:
    """A zero point in the place where it applies: a row of the left, a column of the right."""
    value = _floats(write, zero)
    if zero.shape == [1]:
        return write.op("Reshape", value, write.constant([], np.int64))
    if zero.shape and len(zero.shape) == 1:
        if node.op == "ConvInteger":  # one for each output channel
            ones = [1] * (len(node.inputs[1].shape) - 1)
            return write.op("Reshape", value, write.constant([-1, *ones], np.int64))
        return write.op("Reshape", value, write.constant([-1, 1] if index == 0 else [-1], np.int64))
    return value


def _quantized_product(node: gs.Node, writer: Callable[[], Writer]) -> bool:
    """QLinearMatMul and QLinearConv: dequantized, multiplied, quantized.

    In fp32, as ONNX's function for them has it; the scales are applied to the product.
    """
    number = elem_type(node.outputs[0])
    if number not in _RANGES:
        return False
    a, a_scale, a_zero, b, b_scale, b_zero, scale, zero, *bias = node.inputs
    if not _is_exact(b, node.op == "QLinearConv"):
        return False
    if node.op == "QLinearConv" and any(t.shape not in ([], [1]) for t in (b_scale, b_zero)):
        return False
    write = writer()
    left = write.op("Sub", _floats(write, a), _column(write, a_zero))
    right = write.op("Sub", _floats(write, b), _along(write, b_zero, -1, 1))
    op = "MatMul" if node.op == "QLinearMatMul" else "Conv"
    if bias:
        bias = [_floats(write, bias[0])]
    product = write.op(op, left, right, *bias, **node.attrs)
    factor = write.op("Mul", _column(write, a_scale), _along(write, b_scale, -1, 1))
    real = write.op("Mul", product, factor)
    write.finish(_quantized(write, real, (scale, zero), number, -1))
    return True


def _column(write: Writer, tensor: gs.Tensor) -> gs.Tensor:
    """A scale or zero point of the left operand, which is one a row."""
    value = _floats(write, tensor)
    if not tensor.shape or len(tensor.shape) != 1:
        return value
    if tensor.shape == [1]:
        return write.op("Reshape", value, write.constant([], np.int64))
    return write.op("Reshape", value, write.constant([-1, 1], np.int64))
