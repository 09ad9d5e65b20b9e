"""A control of a sequence model that its ONNX file does not take.

What: a `control_input` has no input of its name in the file, or one of another data type, or one
whose dims, behind the batch dim, are not [1].
Why: ONNX Runtime's backend refuses the model: "configuration specified sequence control 'START',
but model does not provide that input".

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    sequence_batching {
      control_input {
        name: "START"
        control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }
      }
    }
    -- demo/1/model.onnx = x:fp32[N,4] -> y:fp32[N,4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    sequence_batching {
      control_input {
        name: "START"
        control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }
      }
    }
    -- demo/1/model.onnx = x:fp32[N,4] START:fp32[N,1] -> y:fp32[N,4] --

Source: ONNX Runtime backend, onnxruntime.cc (ValidateBooleanSequenceControl,
ValidateTypedSequenceControl).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import FileTensor
from trtbuild.validate.rules.files.onnx_backend import Seen, first_controls, seen, shape
from trtbuild.validate.rules.sequence.controls import CORRID, LISTS

NAME = "onnx-controls"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a control: of the first of each kind, the only one that the backend reads."""
    for one in seen(model):
        tensors = {tensor.name: tensor for tensor in one.interface.inputs}
        for at, entry, control in first_controls(model):
            tensor = tensors.get(entry.name)
            if tensor is None:
                problem, hint = (
                    f"{one.file.shown} has no input '{entry.name}' for the control; it has "
                    f"{words.one_of(tensors)}",
                    "write the name that the file has, or export the model with this input",
                )
            else:
                problem, hint = _problem(one, tensor, control)
            if problem:
                yield Finding(message=problem, at=(*at[:3], "name"), hint=hint)


def _problem(one: Seen, tensor: FileTensor, control: Any) -> tuple[str, str]:
    dims = shape(tensor)
    given = _data_type(control)
    batches = bool(one.max_batch_size)
    if one.max_batch_size is not None and (dims[1:] if batches else dims) != (1,):
        return (
            f"the control '{tensor.name}' has the dims {words.dims(dims)} in {one.file.shown}, "
            f"where {'[-1, 1]' if batches else '[1]'} is wanted",
            "export the model with one element an item for it",
        )
    if tensor.data_type and given and tensor.data_type != given:
        return (
            f"the control '{tensor.name}' is {words.data_type(tensor.data_type)} in "
            f"{one.file.shown}, not {words.data_type(given)}",
            "give the two values, or the data_type, in the type that the file has",
        )
    return "", ""


def _data_type(control: Any) -> int:
    """What the tensor will be; 0 where the control does not say."""
    if control.kind == CORRID:
        return int(control.data_type)
    given = [field for field in LISTS if len(getattr(control, field))]
    return words.data_type_number(given[0].partition("_")[0].upper()) if given else 0
