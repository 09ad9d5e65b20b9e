"""Bring an ONNX model to the opset that is wanted, with onnx's own version converter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trtbuild.errors import SourceError, first_line
from trtbuild.onnx_model import default_opset

if TYPE_CHECKING:
    import onnx

# From 13 on, axes of Squeeze, Unsqueeze, ReduceSum and Split are inputs and Softmax is along one
# axis: what TensorRT's parser and the passes of the surgery stage are written for.
OLDEST_OPSET = 13
_BROADCASTS = 7  # PRelu's slope [C] was one for each channel before, and is of the last dim since


def at_opset(model: onnx.ModelProto, asked: int | None) -> tuple[onnx.ModelProto, str]:
    """`model`, which may be a skeleton, at opset `asked`, or at least at 13 where None; and a
    note where that failed.

    The model itself comes back where nothing has to change. Raises `SourceError` when it cannot
    be brought to the opset that was asked for.
    """
    have = default_opset(model)
    want = asked or max(have, OLDEST_OPSET)
    uses_onnx_ops = any(entry.domain in ("", "ai.onnx") for entry in model.opset_import)
    if want == have or not uses_onnx_ops:
        return model, ""
    try:
        return _converted(model, want), ""
    except Exception as error:
        reason = first_line(error)
    if asked:
        raise SourceError(
            f"the model has opset {have} and cannot be converted to opset {asked}: {reason}",
            "leave --opset out, or export the model with that opset from its own framework",
        )
    return model, f"kept at opset {have}, because onnx cannot convert it to {want}: {reason}"


def _converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    import onnx
    from onnx import version_converter

    if default_opset(model) < 9 and any(node.op_type == "Scan" for node in model.graph.node):
        # onnx's converter leaves it as it is, and then it scans along the wrong dim
        raise ValueError("a Scan of opset 8 has its batch in front, one of opset 9 has not")
    converted = onnx.ModelProto()
    converted.CopyFrom(model)  # the converter itself keeps little besides the graph
    converted.graph.CopyFrom(version_converter.convert_version(model, opset).graph)
    for entry in converted.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = opset
    if default_opset(model) < _BROADCASTS:
        _spread_slopes(converted)
    # A newer opset may need a newer file format; everything else of the model stays as it was.
    imports = list(converted.opset_import)
    needed = onnx.helper.find_min_ir_version_for(imports, ignore_unknown=True)
    converted.ir_version = max(converted.ir_version, needed)
    check(converted)  # the converter keeps attributes that an older opset does not have
    return converted


def _spread_slopes(model: onnx.ModelProto) -> None:
    """Let slopes [C] of PRelu be one for each channel still, which onnx's converter forgets.

    Raises `ValueError` where a slope is something else as well.
    """
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = {v.name: v for v in (*inferred.input, *inferred.value_info, *inferred.output)}
    for node in model.graph.node:
        if node.op_type != "PRelu":
            continue
        x, slope = node.input
        rank = len(values[x].type.tensor_type.shape.dim) if x in values else 0
        held = [tensor for tensor in model.graph.initializer if tensor.name == slope]
        if held and (list(held[0].dims) in ([], [1]) or rank == len(held[0].dims) + 1):
            continue
        if not held or not rank or sum(slope in other.input for other in model.graph.node) > 1:
            raise ValueError(f"a PRelu of opset {_BROADCASTS - 1} has one slope for each channel")
        ones = [1] * (rank - 1 - len(held[0].dims))
        held[0].dims.extend(ones)
        for value in model.graph.input:
            if value.name == slope:
                for one in ones:
                    value.type.tensor_type.shape.dim.add().dim_value = one


def check(model: onnx.ModelProto) -> None:
    """Run onnx's checker over a model or a skeleton, whose stored weights count as inputs.

    Raises `onnx.checker.ValidationError`.
    """
    import onnx
    from onnx import checker, helper

    from trtbuild.onnx_weights import is_stored

    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    graph = plain.graph
    weights = list(graph.initializer)
    inputs = {value.name for value in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in weights
        if is_stored(tensor) and tensor.name not in inputs
    )
    del graph.initializer[:]
    graph.initializer.extend(tensor for tensor in weights if not is_stored(tensor))
    checker.check_model(plain)
