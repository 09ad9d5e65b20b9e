"""A ragged input that is no flat list in the ONNX file.

What: `allow_ragged_batch: true` for an input whose shape in the file is not one dim that varies.
Why: the requests' tensors are laid one behind another without a shape of their own; ONNX Runtime's
backend refuses the model: "configuration expects model provides input with shape [-1]".

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] allow_ragged_batch: true }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[N,4] -> y:fp32[N,4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }
    output { name: "y" data_type: TYPE_FP32 dims: [-1] }
    batch_input {
      kind: BATCH_ACCUMULATED_ELEMENT_COUNT
      target_name: "ends" data_type: TYPE_FP32 source_input: "x"
    }
    batch_output {
      kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "y" source_input: "x"
    }
    -- demo/1/model.onnx = x:fp32[T] ends:fp32[N] -> y:fp32[T] --

Source: ONNX Runtime backend, onnxruntime.cc (ValidateInputs).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.onnx_backend import seen, shape

NAME = "onnx-ragged-input"
SEVERITY = Severity.ERROR
NEEDS = "input"


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    for one in seen(model):
        shapes = {tensor.name: shape(tensor) for tensor in one.interface.inputs}
        for index, entry in enumerate(model.config.input):
            dims = shapes.get(entry.name)
            if entry.allow_ragged_batch and dims not in (None, (-1,)):
                yield Finding(
                    message=f"the ragged input '{entry.name}' has the dims {words.dims(dims)} in "
                    f"{one.file.shown}, where [-1] is wanted",
                    at=("input", index, "allow_ragged_batch"),
                    hint="take allow_ragged_batch out, or export the model with a flat input and "
                    "a batch_input that says where each request's part ends",
                )
