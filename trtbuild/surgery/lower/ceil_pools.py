"""AveragePool, LpPool and MaxPool with ceil_mode whose last window starts on the padding.

ONNX leaves such a window out (since opset 19 by the letter, its reference and ONNX Runtime for
every opset); TensorRT computes it, or refuses the pool. Here the padding ends before it; where
padding counts in the average, the window is cut off behind the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, is_read

POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})


class CeilPools(Lowering):
    """See the file's docstring."""

    ops = POOLS
    idle = "no pool ends in a window that starts on the padding"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Cut the last window off along each such dim; spatial dims have to be known."""
        shape = node.inputs[0].shape
        if not node.attrs.get("ceil_mode", 0) or shape is None or is_read(node, 1):
            return False
        if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET"):
            return False
        sizes = shape[2:]
        if not all(isinstance(size, int) for size in sizes):
            return False
        windows = [_windows(node, axis, size) for axis, size in enumerate(sizes)]
        if all(made == wanted for made, wanted in windows):
            return False
        # ONNX's shape inference before opset 22 counts the window as well.
        node.outputs[0].shape = [*shape[:2], *(wanted for _, wanted in windows)]
        write = writer()
        if node.attrs.get("count_include_pad", 0):
            write.finish(_cut(node, windows, write))
        else:
            write.finish(*write.ops(node.op, 1, *node.inputs, **_fitted(node, windows, sizes)))
        return True


def _cut(node: gs.Node, windows: list[tuple[int, int]], write: Writer) -> gs.Tensor:
    """The pool, and its last windows cut off behind it."""
    (pooled,) = write.ops(node.op, 1, *node.inputs, **node.attrs)
    axes = [axis for axis, (made, wanted) in enumerate(windows) if made != wanted]
    ends = [windows[axis][1] for axis in axes]
    cut = [np.zeros(len(axes)), ends, [axis + 2 for axis in axes]]
    return write.op("Slice", pooled, *(write.constant(values, np.int64) for values in cut))


def _fitted(node: gs.Node, windows: list[tuple[int, int]], sizes: list[int]) -> dict[str, Any]:
    """The pool's attributes with the padding that ends where its last window does.

    Padding counts for nothing here, so it may be longer or shorter.
    """
    begins = [_begin_pad(node, axis) for axis in range(len(sizes))]
    ends = [
        max(0, (wanted - 1) * _stride(node, axis) + _span(node, axis) - size - begin)
        for axis, ((_, wanted), size, begin) in enumerate(zip(windows, sizes, begins, strict=True))
    ]
    return {**node.attrs, "ceil_mode": 0, "pads": begins + ends}


def _windows(node: gs.Node, axis: int, size: int) -> tuple[int, int]:
    """How many windows TensorRT computes along `axis`, and how many ONNX has."""
    stride, begin = _stride(node, axis), _begin_pad(node, axis)
    left = size + begin + _end_pad(node, axis) - _span(node, axis)
    made = -(-left // stride) + 1
    return made, made - 1 if (made - 1) * stride >= size + begin else made


def _span(node: gs.Node, axis: int) -> int:
    dilation = node.attrs.get("dilations", [1] * 8)[axis]
    return int(dilation * (node.attrs["kernel_shape"][axis] - 1) + 1)


def _stride(node: gs.Node, axis: int) -> int:
    return int(node.attrs.get("strides", [1] * 8)[axis])


def _begin_pad(node: gs.Node, axis: int) -> int:
    return int(node.attrs.get("pads", [0] * 16)[axis])


def _end_pad(node: gs.Node, axis: int) -> int:
    count = len(node.attrs["kernel_shape"])
    return int(node.attrs.get("pads", [0] * 16)[count + axis])
