"""Split with its sizes written out, where it says only into how many parts (num_outputs).

ONNX makes the last part smaller; TensorRT computes another size for the others then.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, optional


class SplitSizes(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Split"})
    idle = "every Split into unequal parts has its sizes"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Write the sizes of a dim that is known and no multiple of the parts."""
        parts = len(node.outputs)
        shape = node.inputs[0].shape
        if optional(node, 1) is not None or "num_outputs" not in node.attrs or shape is None:
            return False
        axis = int(node.attrs.get("axis", 0))
        if axis >= len(shape):  # in a branch that is never taken, shapes are another's
            return False
        size = shape[axis]
        if not isinstance(size, int) or size % parts == 0:
            return False
        part = -(-size // parts)
        sizes = [part] * (size // part)
        sizes += [size - part * len(sizes)] if size % part else []
        sizes += [0] * (parts - len(sizes))
        write = writer()
        target = write.constant(sizes, np.int64)
        write.finish(*write.ops("Split", parts, node.inputs[0], target, axis=axis))
        return True
