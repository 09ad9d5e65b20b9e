"""An optional input that ONNX Runtime does not take.

What: `optional: true` for an input of an ONNX model that batches, for one that has no value in the
file, or for a ragged one; or an input that has a value in the file (an initializer that is also an
input of the graph) and is not optional.
Why: ONNX Runtime's backend refuses the model: "optional input is not supported for models that
support batching", or it counts the inputs and finds another number.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] optional: true }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[N,4] -> y:fp32[N,4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP32 dims: [-1, 4] }
    input { name: "scale" data_type: TYPE_FP32 dims: [1] optional: true }
    output { name: "y" data_type: TYPE_FP32 dims: [-1, 4] }
    -- demo/1/model.onnx = x:fp32[N,4] scale:fp32[1] -> y:fp32[N,4] given scale --

Source: ONNX Runtime backend, onnxruntime.cc (ModelInstanceState, ValidateInputs).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import remove_field
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.onnx_backend import Seen, seen

NAME = "onnx-optional-input"
SEVERITY = Severity.ERROR
NEEDS = "input"


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    for one in seen(model):
        overridable = {tensor.name for tensor in one.interface.overridable}
        required = {tensor.name for tensor in one.interface.inputs}
        for index, entry in enumerate(model.config.input):
            if not entry.optional and entry.name in overridable:
                yield Finding(
                    message=f"the input '{entry.name}' has a value in {one.file.shown}, so it is "
                    "none that ONNX Runtime waits for",
                    at=("input", index),
                    hint="write optional: true, without max_batch_size, or take the input out",
                )
            elif entry.optional and entry.name in overridable | required:
                problem = _problem(one, entry.name in required, entry.allow_ragged_batch)
                if problem:
                    at = ("input", index, "optional")
                    yield Finding(
                        message=f"the input '{entry.name}' cannot be optional: {problem}",
                        at=at,
                        hint="take optional out"
                        if entry.name in required
                        else "take the input out: the file has its value",
                        fix=remove_field(model, at) if entry.name in required else (),
                    )


def _problem(one: Seen, required: bool, ragged: bool) -> str:
    if required:
        return f"{one.file.shown} has no value for it"
    if one.max_batch_size:
        return "the model batches" + (", by auto-complete" if one.filled_batch else "")
    return "it is ragged" if ragged else ""
