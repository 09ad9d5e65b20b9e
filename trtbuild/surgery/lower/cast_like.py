"""CastLike as the Cast that it is: TensorRT 10.6 leaves out those to bf16 and fp64."""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer


class CastLike(Lowering):
    """See the file's docstring."""

    ops = frozenset({"CastLike"})
    idle = "the model has no CastLike"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Cast to the type of the second input."""
        number = elem_type(node.inputs[1])
        if not number:
            return False
        attrs = {
            name: node.attrs[name] for name in ("saturate", "round_mode") if name in node.attrs
        }
        write = writer()
        write.finish(write.op("Cast", node.inputs[0], to=number, **attrs))
        return True
