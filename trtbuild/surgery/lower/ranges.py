"""Range of constants as the constant that it is: TensorRT computes none in fp16, bf16 or int16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values

_LARGEST = 1 << 16  # elements


class Ranges(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Range"})
    idle = "no Range is of constants"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Compute it as ONNX defines it: start + i * delta, for as many as fit."""
        values = [constant_values(tensor) for tensor in node.inputs]
        if any(value is None for value in values):
            return False
        start, limit, delta = (value.ravel()[0] for value in values if value is not None)
        count = max(0, int(np.ceil((float(limit) - float(start)) / float(delta))))
        if count > _LARGEST:
            return False
        write = writer()
        numbers = start + np.arange(count).astype(start.dtype) * delta
        write.finish(write.constant(numbers.astype(start.dtype)))
        return True
