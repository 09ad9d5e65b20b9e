"""Cast from fp8 (E4M3) as DequantizeLinear of scale 1: TensorRT's Cast refuses fp8.

Not to fp8: TensorRT's QuantizeLinear makes the largest value of what is not a number.
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer

_T = onnx.TensorProto
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)


class Fp8Casts(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Cast"})
    idle = "nothing is cast from fp8"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite casts from E4M3 to other floats."""
        target = int(node.attrs["to"])
        if elem_type(node.inputs[0]) != _T.FLOAT8E4M3FN or target not in _FLOATS:
            return False
        write = writer()
        one = write.constant(1, np.float32)
        zero = write.constant(0, ml_dtypes.float8_e4m3fn)
        value = write.op("DequantizeLinear", node.inputs[0], one, zero)
        write.finish(value if target == _T.FLOAT else write.op("Cast", value, to=target))
        return True
