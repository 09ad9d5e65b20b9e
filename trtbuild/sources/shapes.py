"""Shapes of an ONNX model's inputs and outputs: those the user knows, those onnx can infer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trtbuild.errors import first_line
from trtbuild.tensor import InputOverride

if TYPE_CHECKING:
    import onnx


def give_ranks(model: onnx.ModelProto, overrides: Iterable[InputOverride]) -> bool:
    """Write what `--input` says into those inputs that have no shape at all; True: changed.

    Without a rank nothing can be said about an input; every other override is surgery's.
    """
    said = {override.name: override.shape for override in overrides}
    changed = False
    for value in model.graph.input:
        shape = said.get(value.name)
        tensor = value.type.tensor_type
        if shape is None or tensor.HasField("shape"):
            continue
        for dim in shape:
            tensor.shape.dim.add(
                dim_param=dim if isinstance(dim, str) else None,
                dim_value=dim if isinstance(dim, int) else None,
            )
        tensor.shape.SetInParent()  # a scalar has a shape without dims
        changed = True
    return changed


def infer_outputs(model: onnx.ModelProto) -> tuple[bool, str]:
    """Fill in what outputs do not say of themselves; whether that changed the model, and a note.

    The note is set when onnx finds shapes in the model that contradict each other.
    """
    from onnx import shape_inference

    note = ""
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        note = f"shape inference: {first_line(error)}"
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    known = {value.name: value for value in inferred.graph.output}
    changes = [_fill_in(value, known[value.name]) for value in model.graph.output]
    return any(changes), note


def _fill_in(value: onnx.ValueInfoProto, inferred: onnx.ValueInfoProto) -> bool:
    mine, other = value.type.tensor_type, inferred.type.tensor_type
    if not inferred.type.HasField("tensor_type"):
        return False
    if not mine.elem_type or not mine.HasField("shape"):
        value.type.CopyFrom(inferred.type)
        return inferred.type.ByteSize() > 0
    changed = False
    for dim, better in zip(mine.shape.dim, other.shape.dim, strict=False):
        if dim.WhichOneof("value") is None and better.WhichOneof("value") is not None:
            dim.CopyFrom(better)
            changed = True
    return changed
