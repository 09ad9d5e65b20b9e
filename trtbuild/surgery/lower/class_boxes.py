"""NonMaxSuppression of several classes as one of each class, one behind the other.

TensorRT 10.6 puts the boxes of all classes of a picture in one order, ONNX those of a class
together. Each layer sorts on its own, so only few classes are written so; with more, the op is
refused by name (`plan/wrong_forms.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer

_MOST_LAYERS = 32


class ClassBoxes(Lowering):
    """See the file's docstring."""

    ops = frozenset({"NonMaxSuppression"})
    idle = "no boxes of several classes are suppressed"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite what has two or more classes, of known numbers of pictures and classes.

        boxes [pictures, boxes, 4], scores [pictures, classes, boxes] -> indices [n, 3] of picture,
        class and box.
        """
        shape = node.inputs[1].shape
        pictures, classes, *_ = shape if shape is not None else (None, None)
        if not isinstance(pictures, int) or not isinstance(classes, int):
            return False
        if classes < 2 or pictures * classes > _MOST_LAYERS:
            return False
        write = writer()
        parts = [
            _of_one(node, write, picture, kind, pictures)
            for picture in range(pictures)
            for kind in range(classes)
        ]
        write.finish(write.op("Concat", *parts, axis=0))
        return True


def _of_one(node: gs.Node, write: Writer, picture: int, kind: int, pictures: int) -> gs.Tensor:
    """The indices of one class of one picture, as those of the whole."""
    boxes, scores, *limits = node.inputs
    if pictures > 1:
        boxes = write.op("Gather", boxes, write.constant([picture], np.int64), axis=0)
        scores = write.op("Gather", scores, write.constant([picture], np.int64), axis=0)
    scores = write.op("Gather", scores, write.constant([kind], np.int64), axis=1)
    (found,) = write.ops(node.op, 1, boxes, scores, *limits, **node.attrs)
    if not picture and not kind:
        return found
    return write.op("Add", found, write.constant([[picture, kind, 0]], np.int64))
