"""Cast to and from fp8 (E4M3) as QuantizeLinear and DequantizeLinear of scale 1.

That is how TensorRT makes fp8; its Cast refuses it. Both round to nearest, even numbers at a tie,
and keep within the largest value.
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
    idle = "nothing is cast to or from fp8"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite casts between E4M3 and other floats that keep within the range."""
        source, target = elem_type(node.inputs[0]), int(node.attrs["to"])
        if _T.FLOAT8E4M3FN not in (source, target) or source == target:
            return False
        if not node.attrs.get("saturate", 1):
            return False
        write = writer()
        one = write.constant(1, np.float32)
        zero = write.constant(0, ml_dtypes.float8_e4m3fn)
        if source == _T.FLOAT8E4M3FN:
            value = write.op("DequantizeLinear", node.inputs[0], one, zero)
            write.finish(value if target == _T.FLOAT else write.op("Cast", value, to=target))
            return True
        value = node.inputs[0]
        if source != _T.FLOAT:
            value = write.op("Cast", value, to=_T.FLOAT)
        write.finish(write.op("QuantizeLinear", value, one, zero))
        return True
