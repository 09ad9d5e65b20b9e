"""GRU, LSTM and RNN with the batch first (layout=1), written with the sequence first.

TensorRT 10.6 and RTX 1.7 ignore the attribute and take the batch for the sequence.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import ContractError, Job
from trtbuild.surgery.graph import all_graphs
from trtbuild.surgery.lower.writer import Lowering, Writer

_SWAP = [1, 0, 2]  # [batch, time, x] or [batch, directions, hidden], and back
_Y = [2, 0, 1, 3]  # [time, directions, batch, hidden] -> [batch, time, directions, hidden]
_STATES = (5, 6)  # the inputs initial_h and initial_c


class RecurrentLayout(Lowering):
    """See the file's docstring."""

    ops = frozenset({"GRU", "LSTM", "RNN"})
    idle = "no recurrent layer has its batch first"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Transpose what goes in and what comes out."""
        if not node.attrs.get("layout", 0):
            return False
        write = writer()
        attrs = {name: value for name, value in node.attrs.items() if name != "layout"}
        inputs = list(node.inputs)
        for index in (0, *_STATES):
            if index < len(inputs) and inputs[index].name:
                inputs[index] = write.op("Transpose", inputs[index], perm=_SWAP)
        made = write.ops(node.op, len(node.outputs), *inputs, **attrs)
        perms = [_Y, _SWAP, _SWAP]
        write.finish(
            *(
                write.op("Transpose", tensor, perm=perm) if output.name else None
                for output, tensor, perm in zip(node.outputs, made, perms, strict=False)
            )
        )
        return True

    def ensures(self, job: Job) -> None:
        """Every recurrent layer has its sequence first."""
        for graph in all_graphs(job.graph):
            for node in graph.nodes:
                if node.op in self.ops and node.attrs.get("layout", 0):
                    raise ContractError(f"'{node.name}' still has layout=1")
