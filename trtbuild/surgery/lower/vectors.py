"""MatMul of a vector and a stack of matrices, the vector as a matrix of one row or column.

TensorRT's parser refuses it where the stack has another dim than the matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer

_STACK = 3  # dims


class Vectors(Lowering):
    """See the file's docstring."""

    ops = frozenset({"MatMul"})
    idle = "no vector is multiplied with a stack of matrices"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite what has a vector on one side and 3 dims or more on the other."""
        left, right = node.inputs
        if left.shape is None or right.shape is None:
            return False
        ranks = len(left.shape), len(right.shape)
        if min(ranks) != 1 or max(ranks) < _STACK:
            return False
        write = writer()
        if ranks[0] == 1:
            product = write.op("MatMul", write.shaped("Unsqueeze", left, [0]), right)
            write.finish(write.shaped("Squeeze", product, [-2]))
        else:
            product = write.op("MatMul", left, write.shaped("Unsqueeze", right, [1]))
            write.finish(write.shaped("Squeeze", product, [-1]))
        return True
