"""Drop what inference does not need.

1. Nodes that no output depends on, and initializers that nothing reads.
2. Identity, and Dropout, which lets everything through in inference.
3. BatchNormalization in training mode: set to inference, its running statistics' outputs dropped.
4. Constant nodes: their values become initializers, which every later pass understands.
5. An output that is itself an input or a constant: an Identity makes it, for TensorRT's sake.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.graph import elem_type, fresh_name, is_standard

# Attributes of a Constant node that hold plain numbers -> their type.
_PLAIN = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


class DropDead(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Clean `job.graph` up."""
        graph = job.graph
        before = Counter(node.op for node in graph.nodes)
        outputs = {tensor.name for tensor in graph.outputs}
        trained = sum(_stop_training(node, outputs) for node in graph.nodes)
        lower_constants(graph)
        for node in list(graph.nodes):
            _bypass(graph, node)
        graph.cleanup().toposort()
        owned = _own_outputs(job)
        gone = before - Counter(node.op for node in graph.nodes)
        facts = [f"{count} {op}" for op, count in sorted(gone.items()) if op != "Constant"]
        notes = [f"dropped {', '.join(facts)}"] if facts else []
        notes += [f"{trained} BatchNormalization set to inference"] if trained else []
        notes += (
            [f"{owned} outputs were inputs or constants; an Identity makes them"] if owned else []
        )
        if notes or gone:
            return Done(True, "; ".join(notes) or f"{gone['Constant']} constants made initializers")
        return skipped("every node is needed")

    def ensures(self, job: Job) -> None:
        """No node is left that inference does not need."""
        outputs = {tensor.name for tensor in job.graph.outputs}
        for node in job.graph.nodes:
            if not any(t.outputs or t.name in outputs for t in node.outputs):
                raise ContractError(f"nothing reads what {node.op} '{node.name}' makes")


def _stop_training(node: gs.Node, outputs: set[str]) -> bool:
    """Case 3. Before opset 14, extra outputs are what tells that training was meant."""
    if node.op != "BatchNormalization" or not is_standard(node):
        return False
    if any(tensor.outputs or tensor.name in outputs for tensor in node.outputs[1:]):
        return False  # somebody wants the new statistics
    training = bool(node.attrs.pop("training_mode", 0))
    if len(node.outputs) > 1:
        while len(node.outputs) > 1:
            node.outputs.pop()
        training = True
    return training


def lower_constants(graph: gs.Graph) -> None:
    """Make initializers of the Constant nodes, which then have no outputs left."""
    for node in graph.nodes:
        lower_constant(node)


def lower_constant(node: gs.Node) -> None:
    """Case 4."""
    if node.op != "Constant" or len(node.attrs) != 1:
        return
    ((name, value),) = node.attrs.items()
    tensor = node.outputs[0]
    if name == "value" and isinstance(value, gs.Constant):
        tensor.to_constant(value._values)
    elif name in _PLAIN:
        tensor.to_constant(np.array(value, dtype=_PLAIN[name]))
    else:
        return  # strings and sparse tensors
    tensor.inputs.clear()


def _bypass(graph: gs.Graph, node: gs.Node) -> None:
    """Case 2: let readers of the output read the input."""
    if node.op not in ("Identity", "Dropout") or not is_standard(node):
        return
    source, result = node.inputs[0], node.outputs[0]
    outputs = {tensor.name for tensor in graph.outputs}
    if any(t.outputs or t.name in outputs for t in node.outputs[1:]):
        return  # somebody wants Dropout's mask
    if result.name not in outputs:
        read_instead(result, source)
    elif source.inputs and source.name not in outputs:
        result.inputs.clear()
        producer = source.inputs[0]
        producer.outputs[producer.outputs.index(source)] = result
        read_instead(source, result)


def read_instead(old: gs.Tensor, new: gs.Tensor) -> None:
    """Let every reader of `old`, also inside subgraphs, read `new`."""
    for reader in list(old.outputs):
        reader.inputs = [new if tensor is old else tensor for tensor in reader.inputs]


def _own_outputs(job: Job) -> int:
    """Case 5."""
    graph, made = job.graph, 0
    inputs = {tensor.name for tensor in graph.inputs}
    for index, tensor in enumerate(graph.outputs):
        if not isinstance(tensor, gs.Constant) and tensor.name not in inputs:
            continue
        output = gs.Variable(tensor.name, elem_type(tensor), list(tensor.shape))
        inner = fresh_name(graph, f"{tensor.name}__value")
        if tensor.name in inputs:  # an input keeps its name, so the output gets the new one
            output.name = inner
            job.output_names[inner] = job.output_names.pop(tensor.name)
        else:
            tensor.name = inner
        graph.nodes.append(gs.Node("Identity", output.name, inputs=[tensor], outputs=[output]))
        graph.outputs[index] = output
        made += 1
    return made
