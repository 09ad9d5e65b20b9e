"""Sums and maxima over windows along one axis, as gathers of constant places.

Each output of `out` looks at k places of its axis. For an output that looks at fewer, a place
stands for one that it has, with weight 0.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array
from trtbuild.surgery.lower.writer import Writer

MOST_PLACES = 64  # of one window along one axis; each is a gather


def summed(write: Writer, x: gs.Tensor, places: Array, weights: Array, axis: int) -> gs.Tensor:
    """The sum of what lies at `places` [out, k] along `axis`, times `weights` [out, k].

    `axis` is counted from the end: -1 is the last.
    """
    shape = [-1] + [1] * (-axis - 1)
    if ((weights == 0) | (weights == 1)).all() and (weights.sum(axis=1) == 1).all():
        chosen = places[np.arange(len(places)), weights.argmax(axis=1)]
        return write.op("Gather", x, write.constant(chosen, np.int64), axis=axis)
    total: gs.Tensor | None = None
    for k in range(places.shape[1]):
        if not weights[:, k].any():
            continue
        pixels = write.op("Gather", x, write.constant(places[:, k], np.int64), axis=axis)
        factor = write.constant(weights[:, k].reshape(shape), np.float32)
        term = write.op("Mul", pixels, factor)
        total = term if total is None else write.op("Add", total, term)
    assert total is not None
    return total


def largest(write: Writer, x: gs.Tensor, places: Array, axis: int) -> gs.Tensor:
    """The largest of what lies at `places` [out, k] along `axis`."""
    result: gs.Tensor | None = None
    for k in range(places.shape[1]):
        part = write.op("Gather", x, write.constant(places[:, k], np.int64), axis=axis)
        result = part if result is None else write.op("Max", result, part)
    assert result is not None
    return result
