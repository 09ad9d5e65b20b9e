"""The largest value that each float tensor takes when the graph is run on seeded values."""

from __future__ import annotations

import onnx
import onnx_graphsurgeon as gs
from onnx import helper

from trtbuild import onnx_session
from trtbuild.errors import first_line
from trtbuild.onnx_weights import is_stored
from trtbuild.surgery.contract import Job
from trtbuild.surgery.graph import LARGEST, elem_type, model_from_graph, weights_of
from trtbuild.surgery.precision.types import FP32
from trtbuild.surgery.trial import shapes_to_try, values_for

_PREFIX = "__largest__"  # of the tensors that measure
_ZERO, _LARGEST_FINITE = f"{_PREFIX}zero", f"{_PREFIX}finite"


def largest_values(job: Job) -> tuple[dict[str, float], str]:
    """The largest magnitude by tensor name, infinities left out, and "".

    Where ONNX Runtime cannot run the graph: nothing, and why. Each maximum is taken inside the
    graph, and large weights are fed as inputs, which ONNX Runtime reads where they are mapped:
    initializers it copies. So memory is what the activations of one sample need.
    """
    graph = job.graph
    names = [
        tensor.name
        for node in graph.nodes
        for tensor in node.outputs
        if tensor.name and elem_type(tensor) == FP32
    ]
    if not names:
        return {}, ""
    failure, values = "", weights_of(graph)
    model = _measuring(graph, names)
    weights = {tensor.name: values(tensor) for tensor in _weights_to_inputs(model)}
    try:
        session = onnx_session.open_session(model, values)
    except Exception as error:
        return {}, first_line(error)
    for shapes in shapes_to_try(graph, job.options):
        try:
            inputs = values_for(graph, shapes, job.options.seed)
            outputs = onnx_session.run(session, inputs | weights)
        except Exception as error:
            failure = failure or first_line(error)
        else:
            return {name: float(outputs[_PREFIX + name]) for name in names}, ""
    return {}, failure


def _measuring(graph: gs.Graph, names: list[str]) -> onnx.ModelProto:
    """`graph` with one scalar output for each of `names`, and no other."""
    model = model_from_graph(graph)
    for name, value in ((_ZERO, 0.0), (_LARGEST_FINITE, LARGEST[FP32])):
        model.graph.initializer.append(
            helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value])
        )
    del model.graph.output[:]
    for name in names:
        model.graph.node.extend(_maximum(name))
        model.graph.output.append(
            helper.make_tensor_value_info(_PREFIX + name, onnx.TensorProto.FLOAT, [])
        )
    return model


def _weights_to_inputs(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Turn the large fp32 weights of `model` into inputs; returns them."""
    stored = [t for t in model.graph.initializer if is_stored(t) and t.data_type == FP32]
    kept = [t for t in model.graph.initializer if not (is_stored(t) and t.data_type == FP32)]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for tensor in stored:
        value = helper.make_tensor_value_info(tensor.name, FP32, tuple(tensor.dims))
        model.graph.input.append(value)
    return stored


def _maximum(name: str) -> list[onnx.NodeProto]:
    """Nodes for max(|x|) where |x| is finite: infinity fits every float type, as masks show."""
    magnitude, infinite, finite = (f"{_PREFIX}{part}__{name}" for part in ("abs", "inf", "fin"))
    return [
        helper.make_node("Abs", [name], [magnitude]),
        helper.make_node("Greater", [magnitude, _LARGEST_FINITE], [infinite]),
        helper.make_node("Where", [infinite, _ZERO, magnitude], [finite]),
        helper.make_node("ReduceMax", [finite], [_PREFIX + name], keepdims=0),
    ]
