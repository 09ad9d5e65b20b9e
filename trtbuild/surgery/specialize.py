"""An ONNX model made ready for TensorRT as it is run at once: with the shapes at hand.

What `operate` does for plans that are kept, without what a person may ask for: inputs have their
shapes, what is constant is folded, forms that TensorRT gets wrong are rewritten, integers widened
and floats that it has not held by their codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import onnx

from trtbuild.artifacts import OnnxModel, PassNote
from trtbuild.surgery.apply import LOWERING_PASSES
from trtbuild.surgery.contract import Job, run_passes
from trtbuild.surgery.functions import without_functions
from trtbuild.surgery.graph import elem_type, graph_from_model, infer, model_from_graph
from trtbuild.surgery.options import SurgeryOptions

_FOLD = {"fold_constants": "trtbuild.surgery.fold_constants:FoldConstants"}
_FOLD_AGAIN = {"fold_rewritten": _FOLD["fold_constants"]}  # what came of constants meanwhile
_WIDEN = {
    "quantizers": "trtbuild.surgery.lower.quantizers:Quantizers",
    "odd_floats": "trtbuild.surgery.lower.odd_floats:OddFloats",
    "widen_integers": "trtbuild.surgery.lower.widen_integers:WidenIntegers",
}


class Specialized(NamedTuple):
    """A model whose tensors TensorRT has types for, and what was left out of it."""

    model: onnx.ModelProto
    empty: dict[str, tuple[int, ...]]  # outputs without an element, which nothing has to compute
    elem_types: dict[str, int]  # of the inputs and outputs now, TensorProto.DataType


def specialize(
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    expand: frozenset[str],
) -> Specialized:
    """`model` for inputs of `shapes`; ops in `expand` as their ONNX definition.

    Raises `SurgeryError` for what cannot be computed in TensorRT's types.
    """
    sized = _sized(model, shapes)
    graph = graph_from_model(without_functions(sized, expand))
    infer(graph)
    names = {tensor.name: tensor.name for tensor in graph.inputs}
    outputs = {tensor.name: tensor.name for tensor in graph.outputs}
    source = OnnxModel(Path(), ("model.onnx",), "", 0, (), (), graph.opset, "")
    job = Job(graph, SurgeryOptions(batch="keep"), source, Path(), names, outputs)
    notes: list[PassNote] = []
    passes = {**_FOLD, **LOWERING_PASSES, **_FOLD_AGAIN, **_WIDEN}
    run_passes(job, passes.items(), notes)
    empty = {
        tensor.name: tuple(tensor.shape)
        for tensor in graph.outputs
        if tensor.shape is not None
        and all(isinstance(dim, int) for dim in tensor.shape)
        and 0 in tensor.shape
    }
    ends = [*graph.inputs, *graph.outputs]
    types = {tensor.name: elem_type(tensor) for tensor in ends}
    graph.outputs = [tensor for tensor in graph.outputs if tensor.name not in empty]
    if graph.outputs:
        graph.cleanup().toposort()
    return Specialized(model_from_graph(graph), empty, types)


def _sized(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """`model` with the shapes of its inputs; what it says of others, for any size, is dropped."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name in shapes:
            del value.type.tensor_type.shape.dim[:]
            for size in shapes[value.name]:
                value.type.tensor_type.shape.dim.add().dim_value = size
            value.type.tensor_type.shape.SetInParent()
    for value in sized.graph.output:
        value.type.tensor_type.ClearField("shape")
    del sized.graph.value_info[:]
    return sized
