"""DFT as products with matrices of cosines and sines: no parser has it.

X [..., n, ..., 1 or 2], the last dim real and imaginary part, along one axis of a known size. Exact
as fp32 products are; where TensorRT is let multiply in TF32, no more than that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional

_T = onnx.TensorProto
_LARGEST = 1 << 20  # elements of a matrix
_AXIS_IS_AN_INPUT = 20  # opset


class Fourier(Lowering):
    """See the file's docstring."""

    ops = frozenset({"DFT"})
    idle = "nothing is transformed to frequencies"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite transforms of fp32 of known size, length and axis."""
        x = node.inputs[0]
        write = writer()
        axis = _axis(node, write.opset)
        if x.shape is None or axis is None or elem_type(x) != _T.FLOAT:
            return False
        rank = len(x.shape)
        axis %= rank
        length = _length(node, x.shape[axis])
        if length is None or x.shape[-1] not in (1, 2) or x.shape[axis] * length > _LARGEST:
            return False
        parts = [_part(write, x, index, axis, rank) for index in range(x.shape[-1])]
        made = _transformed(node, write, parts, x.shape[axis], length)
        back = [
            write.shaped("Unsqueeze", _moved(write, part, rank - 2, axis, rank - 1), [-1])
            for part in made
        ]
        write.finish(write.op("Concat", *back, axis=-1) if len(back) > 1 else back[0])
        return True


def _axis(node: gs.Node, opset: int) -> int | None:
    if opset < _AXIS_IS_AN_INPUT:
        return int(node.attrs.get("axis", 1))
    if optional(node, 2) is None:
        return -2
    known = constant_values(optional(node, 2))
    return None if known is None else int(known.ravel()[0])


def _length(node: gs.Node, size: int | str | None) -> int | None:
    """The length of the transform; of the inverse of one side, that of its result."""
    if not isinstance(size, int):
        return None
    if optional(node, 1) is None:
        return 2 * (size - 1) if _to_real(node) else size
    known = constant_values(optional(node, 1))
    return None if known is None else int(known.ravel()[0])


def _to_real(node: gs.Node) -> bool:
    return bool(node.attrs.get("inverse", 0) and node.attrs.get("onesided", 0))


def _part(write: Writer, x: gs.Tensor, index: int, axis: int, rank: int) -> gs.Tensor:
    """The real (0) or the imaginary part (1), the axis last."""
    part = write.op("Gather", x, write.constant(index, np.int64), axis=rank - 1)
    return _moved(write, part, axis, rank - 2, rank - 1)


def _moved(write: Writer, x: gs.Tensor, source: int, target: int, rank: int) -> gs.Tensor:
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    return x if order == list(range(rank)) else write.op("Transpose", x, perm=order)


def _transformed(
    node: gs.Node, write: Writer, parts: list[gs.Tensor], size: int, length: int
) -> list[gs.Tensor]:
    """Real and imaginary part of the result, or what is real of it alone."""
    cosines, sines = _matrices(node, size, length)

    def times(part: gs.Tensor, matrix: Array) -> gs.Tensor:
        return write.op("MatMul", part, write.constant(matrix, np.float32))

    if len(parts) == 1:
        return [times(parts[0], cosines), times(parts[0], sines)]
    real, imaginary = parts
    result = [write.op("Sub", times(real, cosines), times(imaginary, sines))]
    if not _to_real(node):
        result.append(write.op("Add", times(real, sines), times(imaginary, cosines)))
    return result


def _matrices(node: gs.Node, size: int, length: int) -> tuple[Array, Array]:
    """What e^(i t) is made of, [size, outputs]; input beyond the length does not count."""
    inverse, one_side = bool(node.attrs.get("inverse", 0)), bool(node.attrs.get("onesided", 0))
    outputs = length // 2 + 1 if one_side and not inverse else length
    rows = np.arange(size)
    angles = 2 * np.pi * np.outer(rows, np.arange(outputs)) / length
    weights = (rows < length).astype(np.float64)
    if inverse:
        weights /= length
    if _to_real(node):  # the other side is the mirror image of what is given
        weights[rows > length // 2] = 0
        weights[(rows > 0) & (2 * rows != length)] *= 2
    sign = 1 if inverse else -1
    return np.cos(angles) * weights[:, None], sign * np.sin(angles) * weights[:, None]
