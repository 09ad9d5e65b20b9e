"""Which data types a node's inputs and outputs may have, asked of ONNX's own operator schemas."""

from __future__ import annotations

import functools

import onnx_graphsurgeon as gs

from trtbuild.onnx_ops import SPELLING, schema_of
from trtbuild.surgery.graph import all_graphs, elem_type, is_standard
from trtbuild.tensor import DTYPES

FP32, FP64 = DTYPES["fp32"].onnx, DTYPES["fp64"].onnx
FP16, BF16 = DTYPES["fp16"].onnx, DTYPES["bf16"].onnx

# Attributes that hold a TensorProto.DataType, whatever the op.
TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype")
# op -> the attribute that says what its output is; without it, fp32 or the type of input 0
SAYS_OUTPUT_TYPE = {
    **dict.fromkeys(
        ("Bernoulli", "EyeLike", "RandomNormal", "RandomNormalLike", "RandomUniform"), "dtype"
    ),
    "RandomUniformLike": "dtype",
    **dict.fromkeys(
        ("BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"), "output_datatype"
    ),
}
# Outputs whose type the attribute `stash_type` fixes at fp32: mean and deviation.
_STASHED = {"LayerNormalization": range(1, 3)}
# Parameters that stay fp32 where the op lets them differ from its input: they cost nothing, and a
# variance of 1e-6 has two digits in fp16.
PARAMETERS = {"BatchNormalization": range(1, 5)}


def uses(graph: gs.Graph, types: set[int]) -> bool:
    """Whether a tensor of `graph`, also inside subgraphs, has one of `types`."""
    return any(
        elem_type(tensor) in types
        for inner in all_graphs(graph)
        for tensor in inner.tensors().values()
    )


@functools.cache
def _allowed(op: str, opset: int, output: bool, index: int) -> tuple[str, frozenset[str]]:
    """The name of the type variable at a place, and the types it may stand for."""
    schema = schema_of(op, opset)
    if schema is None:
        return "", frozenset()
    places = schema.outputs if output else schema.inputs
    if not places:
        return "", frozenset()
    place = places[min(index, len(places) - 1)]  # the last one may be repeated
    for constraint in schema.type_constraints:
        if constraint.type_param_str == place.type_str:
            return place.type_str, frozenset(map(str, constraint.allowed_type_strs))
    return "", frozenset([place.type_str])  # a fixed type


def may_be(node: gs.Node, opset: int, low: int, index: int, output: bool = False) -> bool:
    """Whether the fp32 tensor at that place of `node` may have the type `low` instead."""
    if not is_standard(node) or _is_parameter(node, opset, index, output):
        return False
    if output and index in _STASHED.get(node.op, ()):
        return False
    variable, types = _allowed(node.op, opset, output, index)
    return bool(variable) and {SPELLING[FP32], SPELLING[low]} <= types


def _is_parameter(node: gs.Node, opset: int, index: int, output: bool) -> bool:
    if output or index not in PARAMETERS.get(node.op, ()):
        return False
    return _allowed(node.op, opset, False, index)[0] != _allowed(node.op, opset, False, 0)[0]
