"""SpaceToDepth and DepthToSpace in CRD mode, written as Reshape, Transpose, Reshape.

TensorRT 10.6 computes SpaceToDepth in DCR order whatever its mode (an attribute since opset 28).
Of a picture whose size varies its channels are put in order behind it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer


class DepthBlocks(Lowering):
    """See the file's docstring."""

    ops = frozenset({"SpaceToDepth", "DepthToSpace"})
    idle = "nothing moves depth to space or back in CRD order"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite what is in CRD order and has known C, H and W, of SpaceToDepth known C."""
        shape = node.inputs[0].shape
        if _text(node.attrs.get("mode", "DCR")) != "CRD" or shape is None:
            return False
        _, c, h, w = shape
        b = int(node.attrs["blocksize"])
        if not all(isinstance(dim, int) for dim in (c, h, w)):
            return isinstance(c, int) and node.op == "SpaceToDepth" and _in_order(c, b, writer)
        if node.op == "SpaceToDepth":
            split, perm = [c, h // b, b, w // b, b], [0, 1, 3, 5, 2, 4]
            joined = [c * b * b, h // b, w // b]
        else:
            split, perm = [c // (b * b), b, b, h, w], [0, 1, 4, 2, 5, 3]
            joined = [c // (b * b), h * b, w * b]
        write = writer()
        # 0: the batch dim as it is
        parts = write.op("Reshape", node.inputs[0], write.constant([0, *split], np.int64))
        moved = write.op("Transpose", parts, perm=perm)
        write.finish(write.op("Reshape", moved, write.constant([0, *joined], np.int64)))
        return True


def _in_order(channels: int, b: int, writer: Callable[[], Writer]) -> bool:
    """Channel (c, i, j) of CRD order is channel (i, j, c) of DCR."""
    write = writer()
    there = np.arange(b * b * channels).reshape(b * b, channels).T.ravel()
    moved = write.op("SpaceToDepth", write.node.inputs[0], blocksize=b)
    write.finish(write.op("Gather", moved, write.constant(there, np.int64), axis=1))
    return True


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
