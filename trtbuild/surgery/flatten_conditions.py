"""Replace an If whose condition is constant by the branch that is taken."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.surgery.graph import fresh_name, values_of


def flatten_conditions(graph: gs.Graph) -> int:
    """Flatten every such If of `graph`; returns how many there were."""
    decided = [
        node for node in graph.nodes if node.op == "If" and isinstance(node.inputs[0], gs.Constant)
    ]
    for node in decided:
        taken = bool(values_of(node.inputs[0]).ravel()[0])
        branch = node.attrs["then_branch" if taken else "else_branch"]
        _make_names_unique(graph, branch)
        at = graph.nodes.index(node)
        graph.nodes[at : at + 1] = [*branch.nodes, *_results(node, branch)]
        node.inputs.clear()
        node.attrs.clear()
    return len(decided)


def _make_names_unique(graph: gs.Graph, branch: gs.Graph) -> None:
    for name, tensor in branch._local_tensors().items():
        tensor.name = fresh_name(graph, name)


def _results(node: gs.Node, branch: gs.Graph) -> list[gs.Node]:
    """Identities from the branch's outputs, whatever makes them, to those of the If."""
    outputs = list(node.outputs)
    if len(branch.outputs) != len(outputs):
        raise SurgeryError(
            f"the If '{node.name}' has {len(outputs)} outputs, and its branch gives "
            f"{len(branch.outputs)}",
            "export the model again",
        )
    node.outputs.clear()
    return [
        gs.Node("Identity", result.name, inputs=[inner], outputs=[result])
        for inner, result in zip(branch.outputs, outputs, strict=True)
    ]
