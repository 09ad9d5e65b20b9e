"""Clip whose lower bound is above the upper one: everything is the upper one (ONNX, opset 13).

TensorRT's layer applies the bounds the other way round and gives the lower one.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional


class Clips(Lowering):
    """See the file's docstring. Computed bounds the parser writes as Max and Min itself."""

    ops = frozenset({"Clip"})
    idle = "no Clip has its bounds crossed"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Max, then Min."""
        low, high = optional(node, 1), optional(node, 2)
        lowest, highest = constant_values(low), constant_values(high)
        if low is None or high is None or lowest is None or highest is None:
            return False
        if not bool((lowest > highest).all()):
            return False
        write = writer()
        write.finish(write.op("Min", write.op("Max", node.inputs[0], low), high))
        return True
