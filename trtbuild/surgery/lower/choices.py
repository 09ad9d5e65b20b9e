"""Compress as a Gather of the places where its condition is true: no parser has Compress."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values


class Choices(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Compress"})
    idle = "nothing is compressed"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Along an axis, or of all values in a row where none is named."""
        x, condition = node.inputs
        write = writer()
        places: gs.Tensor
        if "axis" not in node.attrs:
            x = write.op("Reshape", x, write.constant([-1], np.int64))
        known = constant_values(condition)
        if known is not None:
            places = write.constant(np.flatnonzero(known), np.int64)
        else:
            places = write.shaped("Squeeze", write.op("NonZero", condition), [0])
        write.finish(write.op("Gather", x, places, axis=int(node.attrs.get("axis", 0))))
        return True
