"""A model in 16-bit floats as an fp32 model that rounds where the 16-bit one would.

ONNX Runtime's CPU provider has no bf16 kernels, and for most fp16 ops it casts to fp32 and drops
the casts between them, so that 100 * 300 * 300 / 90000 is 100 in its fp16, not infinity. Casts
that a model has by itself it respects. So each node computes in fp32 here, and each of its
16-bit results passes a Cast to that type and back: the rounding of a GPU that accumulates in
fp32, as TensorRT's do.
"""

from __future__ import annotations

import onnx
from onnx import helper

from trtbuild.verify.dtypes import graphs_of

FP32 = onnx.TensorProto.FLOAT
LOW = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16"}

_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype")
# Ops whose results are among their inputs: rounded already.
_EXACT = {
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "If", "Loop", "Max", "MaxPool", "Min", "Neg", "Pad", "Relu", "Reshape", "Scan",
    "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


def precision_of(model: onnx.ModelProto) -> str:
    """The coarsest float type that `model` computes in: bf16, fp16, else fp32."""
    types = {type_ for graph in graphs_of(model.graph) for type_ in _types(graph).values()}
    return next((LOW[low] for low in sorted(LOW, reverse=True) if low in types), "fp32")


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, a skeleton, with its 16-bit floats emulated in fp32; itself where it has none.

    Inputs and outputs of 16 bits become fp32 as well.
    """
    if precision_of(model) == "fp32":
        return model
    # Types of inner tensors are in the file that surgery wrote; inference fills in subgraphs'.
    copy = onnx.shape_inference.infer_shapes(model)
    _emulate_graph(copy.graph)
    return copy


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, a skeleton, with its 16-bit floats as fp32 that nothing rounds."""
    if precision_of(model) == "fp32":
        return model
    copy = onnx.shape_inference.infer_shapes(model)
    _emulate_graph(copy.graph, rounds=False)
    return copy


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    """The element type of each tensor of `graph` itself, where it is known."""
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


def _emulate_graph(graph: onnx.GraphProto, *, rounds: bool = True) -> None:
    types = _types(graph)
    nodes: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        if tensor.data_type in LOW:  # readers keep the name, and read the fp32 form
            name, tensor.name = tensor.name, f"{tensor.name}__stored"
            nodes.append(_cast(tensor.name, name, FP32))
    for node in graph.node:
        _widen_attributes(node, rounds=rounds)
        nodes += _rounding(node, types) if rounds else [node]
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in LOW:
            value.type.tensor_type.elem_type = FP32
    del graph.value_info[:]
    del graph.node[:]
    graph.node.extend(nodes)


def _rounding(node: onnx.NodeProto, types: dict[str, int]) -> list[onnx.NodeProto]:
    """`node`, and after it the Casts that round its 16-bit results."""
    nodes = [node]
    for index, name in enumerate(node.output):
        low = types.get(name, 0)
        if low in LOW and node.op_type not in _EXACT:
            node.output[index] = f"{name}__exact"
            nodes.append(_cast(f"{name}__exact", f"{name}__rounded", low))
            nodes.append(_cast(f"{name}__rounded", name, FP32))
    return nodes


def _cast(source: str, result: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], to=to)


def _widen_attributes(node: onnx.NodeProto, *, rounds: bool) -> None:
    for attribute in node.attribute:
        if attribute.name in _TYPE_ATTRIBUTES and attribute.i in LOW:
            attribute.i = FP32
        if attribute.HasField("t") and attribute.t.data_type in LOW:
            values = onnx.numpy_helper.to_array(attribute.t).astype("float32")
            attribute.t.CopyFrom(onnx.numpy_helper.from_array(values, attribute.t.name))
        if attribute.HasField("g"):
            _emulate_graph(attribute.g, rounds=rounds)
