"""An ONNX model without its large tensors, for the tools of onnx that take a whole model.

The version converter and shape inference copy the model several times and end at protobuf's
2 GB. They need sizes and types of weights, and values only of small tensors (a Reshape's shape).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx
    from google.protobuf.message import Message

_SMALL_BYTES = 4096  # shapes, axes, scales: what a value can be needed of
_NOWHERE = "left_out"


def skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which initializers over 4 KiB are marked as lying elsewhere."""
    import onnx

    copy = onnx.ModelProto()
    _copy_fields(copy, model, but="graph")
    _copy_fields(copy.graph, model.graph, but="initializer")
    copy.graph.initializer.extend(_outline(tensor) for tensor in model.graph.initializer)
    return copy


def _copy_fields(copy: Message, message: Message, but: str) -> None:
    for field, value in message.ListFields():
        if field.name == but:
            continue
        if hasattr(value, "MergeFrom"):  # repeated fields and messages
            getattr(copy, field.name).MergeFrom(value)
        else:
            setattr(copy, field.name, value)


def restore(copy: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """Give the initializers of `copy`, made from a skeleton of `model`, their data again."""
    originals = {tensor.name: tensor for tensor in model.graph.initializer}
    for tensor in copy.graph.initializer:
        if (original := originals.get(tensor.name)) is not None:
            tensor.CopyFrom(original)


def check(bones: onnx.ModelProto) -> None:
    """Run onnx's checker over a skeleton, whose weights it takes for inputs.

    Raises `onnx.checker.ValidationError`.
    """
    import onnx
    from onnx import checker, helper

    plain = onnx.ModelProto()
    plain.CopyFrom(bones)
    graph = plain.graph
    elsewhere = [t for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    here = [t for t in graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
    inputs = {value.name for value in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in elsewhere
        if tensor.name not in inputs
    )
    del graph.initializer[:]
    graph.initializer.extend(here)
    checker.check_model(plain)


def _outline(tensor: onnx.TensorProto) -> onnx.TensorProto:
    import onnx

    if tensor.ByteSize() <= _SMALL_BYTES:
        return tensor
    outline = onnx.TensorProto(
        name=tensor.name,
        data_type=tensor.data_type,
        dims=tensor.dims,
        data_location=onnx.TensorProto.EXTERNAL,
    )
    outline.external_data.add(key="location", value=_NOWHERE)
    return outline
