"""Col2Im as sums of gathered columns: each pixel is the sum of what was taken from it.

TensorRT's parser has no Col2Im.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array
from trtbuild.surgery.lower.windows import MOST_PLACES, summed
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values


class Columns(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Col2Im"})
    idle = "no columns are put back into a picture"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Columns [N, C * block, L] -> [N, C, *image], for constant image and block."""
        x = node.inputs[0]
        image, block = (constant_values(tensor) for tensor in node.inputs[1:3])
        if image is None or block is None or x.shape is None:
            return False
        channels = x.shape[1]
        if not isinstance(channels, int):
            return False
        targets = _targets(node, image.tolist(), block.tolist())
        places, there = _sources(targets, math.prod(image.tolist()))
        if places.shape[1] > MOST_PLACES:
            return False
        write = writer()
        count = channels // math.prod(block.tolist())
        columns = write.op("Reshape", x, write.constant([0, count, targets.size], np.int64))
        pixels = summed(write, columns, places, there, -1)
        write.finish(write.op("Reshape", pixels, write.constant([0, count, *image], np.int64)))
        return True


def _targets(node: gs.Node, image: list[int], block: list[int]) -> Array:
    """The pixel that each value of a channel's columns goes to [block * L]; -1: the padding."""
    rank = len(image)
    strides, dilations = (node.attrs.get(n, [1] * rank) for n in ("strides", "dilations"))
    pads = node.attrs.get("pads", [0] * (2 * rank))
    counts = [
        (image[i] + pads[i] + pads[rank + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
        for i in range(rank)
    ]
    rows = []
    for inside in itertools.product(*map(range, block)):
        at = [
            np.arange(counts[i]) * strides[i] + inside[i] * dilations[i] - pads[i]
            for i in range(rank)
        ]
        grid = np.meshgrid(*at, indexing="ij")
        valid = np.logical_and.reduce(
            [(part >= 0) & (part < size) for part, size in zip(grid, image, strict=True)]
        )
        flat = np.ravel_multi_index([np.where(valid, part, 0) for part in grid], image)
        rows.append(np.where(valid, flat, -1).ravel())
    return np.concatenate(rows)


def _sources(targets: Array, pixels: int) -> tuple[Array, Array]:
    """For each pixel, which values go to it [pixels, k], and 1 for those that are there."""
    order = np.argsort(targets, kind="stable")
    order = order[targets[order] >= 0]
    counts = np.bincount(targets[order], minlength=pixels)
    most = max(1, int(counts.max(initial=0)))
    places, there = np.zeros((pixels, most), np.int64), np.zeros((pixels, most))
    starts = np.cumsum(counts) - counts
    for k in range(most):
        some = counts > k
        places[some, k] = order[starts[some] + k]
        there[some, k] = 1
    return places, there
