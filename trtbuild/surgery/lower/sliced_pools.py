"""Pools that TensorRT has no layer for: with dilations, of integers, LpPool of other norms than 2.

A pool is separable: along each axis it is the largest, or the sum, of a window of places that
depend on sizes alone. Which windows there are is ONNX's rule: with ceil_mode none that starts on
the padding behind the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array, elem_type
from trtbuild.surgery.lower.windows import MOST_PLACES, largest, summed
from trtbuild.surgery.lower.writer import Lowering, Writer, is_read

_T = onnx.TensorProto
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)
_NORMS = (1, 2)  # that TensorRT has


class SlicedPools(Lowering):
    """See the file's docstring."""

    ops = frozenset({"AveragePool", "LpPool", "MaxPool"})
    idle = "every pool is one that TensorRT has"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite such pools [N, C, *sizes] of known sizes."""
        x = node.inputs[0]
        if not _is_refused(node) or x.shape is None or is_read(node, 1):
            return False
        sizes = x.shape[2:]
        if not all(isinstance(size, int) for size in sizes):
            return False
        if any(kernel > MOST_PLACES for kernel in node.attrs["kernel_shape"]):
            return False
        windows = [_windows(node, axis, size) for axis, size in enumerate(sizes)]
        write, rank = writer(), len(sizes)
        if node.op == "MaxPool":
            value = x
            for axis, (places, _, _) in enumerate(windows):
                value = largest(write, value, places, axis - rank)
        else:
            value = x if elem_type(x) == _T.FLOAT else write.op("Cast", x, to=_T.FLOAT)
            value = _summed_up(node, write, value, windows)
            if elem_type(x) != _T.FLOAT:
                value = write.op("Cast", value, to=elem_type(x))
        write.finish(value)
        return True


def _is_refused(node: gs.Node) -> bool:
    dilated = any(dilation != 1 for dilation in node.attrs.get("dilations", []))
    if node.op == "MaxPool":
        return dilated or elem_type(node.inputs[0]) not in (*_FLOATS, _T.INT8, 0)
    other_norm = node.op == "LpPool" and node.attrs.get("p", 2) not in _NORMS
    return (dilated or other_norm) and elem_type(node.inputs[0]) in _FLOATS


def _windows(node: gs.Node, axis: int, size: int) -> tuple[Array, Array, Array]:
    """Along `axis`: places [out, k], whether they are there [out, k], what an average counts."""
    kernel = int(node.attrs["kernel_shape"][axis])
    stride, dilation = (int(node.attrs.get(n, [1] * 8)[axis]) for n in ("strides", "dilations"))
    count, begin, end = _extent(node, axis, size, stride, dilation * (kernel - 1) + 1)
    at = np.arange(count)[:, None] * stride - begin + np.arange(kernel) * dilation
    there = (at >= 0) & (at < size)
    some = at[np.arange(count), there.argmax(axis=1)]  # a place that the window has
    counted = (at < size + end) if node.attrs.get("count_include_pad", 0) else there
    return np.where(there, at, some[:, None]), there, counted.sum(axis=1)


def _extent(node: gs.Node, axis: int, size: int, stride: int, span: int) -> tuple[int, int, int]:
    """How many windows there are along `axis`, and the padding before and behind."""
    padding = node.attrs.get("auto_pad", "NOTSET")
    padding = padding.decode() if isinstance(padding, bytes) else padding
    if padding in ("SAME_UPPER", "SAME_LOWER"):
        count = -(-size // stride)
        total = max(0, (count - 1) * stride + span - size)
        less, more = total // 2, total - total // 2
        return (count, less, more) if padding == "SAME_UPPER" else (count, more, less)
    pads = [0] * 16 if padding == "VALID" else node.attrs.get("pads", [0] * 16)
    begin, end = int(pads[axis]), int(pads[len(node.attrs["kernel_shape"]) + axis])
    left = size + begin + end - span
    if not node.attrs.get("ceil_mode", 0):
        return left // stride + 1, begin, end
    count = -(-left // stride) + 1
    return (count - 1 if (count - 1) * stride >= size + begin else count), begin, end


def _summed_up(
    node: gs.Node, write: Writer, x: gs.Tensor, windows: list[tuple[Array, Array, Array]]
) -> gs.Tensor:
    """The average of each window, or its p-norm."""
    norm = int(node.attrs.get("p", 2))
    value, rank = x, len(windows)
    if node.op == "LpPool":
        power = write.constant(norm, np.float32)
        value = write.op("Pow", write.op("Abs", x), power)
    counts = np.ones([1] * rank)
    for axis, (places, there, counted) in enumerate(windows):
        value = summed(write, value, places, there.astype(np.float64), axis - rank)
        counts = counts * counted.reshape([-1] + [1] * (rank - axis - 1))
    if node.op == "LpPool":
        return write.op("Pow", value, write.constant(1 / norm, np.float32))
    return write.op("Div", value, write.constant(counts, np.float32))
