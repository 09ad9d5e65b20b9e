"""Give inputs and outputs without any dim the shape [1]: Triton's config cannot say [].

Source: Triton's model_config.proto: dims has at least one entry, and a reshape to [] asks for
a batch dim, which a model with a scalar does not have.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.graph import elem_type, fresh_name


class RaiseScalars(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Raise each scalar; inside, the graph still computes with scalars."""
        graph = job.graph
        inputs = [tensor for tensor in graph.inputs if tensor.shape == []]
        outputs = [tensor for tensor in graph.outputs if tensor.shape == []]
        if not inputs and not outputs:
            return skipped("no input or output is a scalar")
        for tensor in inputs:
            _raise_input(graph, tensor)
        for tensor in outputs:
            _raise_output(graph, tensor)
        names = ", ".join(tensor.name for tensor in inputs + outputs)
        return Done(True, f"scalars got the shape [1]: {names}")

    def ensures(self, job: Job) -> None:
        """Every input and output has a dim."""
        for tensor in job.graph.inputs + job.graph.outputs:
            if tensor.shape == []:
                raise ContractError(f"'{tensor.name}' is still a scalar")


def _raise_input(graph: gs.Graph, tensor: gs.Variable) -> None:
    scalar = _scalar_beside(graph, tensor)
    for node in list(tensor.outputs):
        node.inputs = [scalar if read is tensor else read for read in node.inputs]
    graph.nodes.insert(0, _reshape(graph, tensor, scalar, []))
    tensor.shape = [1]


def _raise_output(graph: gs.Graph, tensor: gs.Variable) -> None:
    scalar = _scalar_beside(graph, tensor)
    producer = tensor.inputs[0]
    producer.outputs[producer.outputs.index(tensor)] = scalar
    for node in list(tensor.outputs):
        node.inputs = [scalar if read is tensor else read for read in node.inputs]
    graph.nodes.append(_reshape(graph, scalar, tensor, [1]))
    tensor.shape = [1]


def _scalar_beside(graph: gs.Graph, tensor: gs.Variable) -> gs.Variable:
    return gs.Variable(fresh_name(graph, f"{tensor.name}__scalar"), elem_type(tensor), [])


def _reshape(graph: gs.Graph, source: gs.Tensor, result: gs.Tensor, shape: list[int]) -> gs.Node:
    target = gs.Constant(
        fresh_name(graph, f"{result.name}__shape"), np.array(shape, dtype=np.int64)
    )
    return gs.Node("Reshape", target.name, inputs=[source, target], outputs=[result])
