"""Config and model file disagree on a data type.

What: the `data_type` of an input or output is not that of the model file.
Why: the backend refuses the model.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP16 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --

Source: ONNX Runtime backend, onnxruntime.cc (ValidateInputs, ValidateOutputs); TensorFlow backend,
tensorflow.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import interfaces

NAME = "model-file-data-type"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    for file, interface in interfaces(model):
        inputs = (*interface.inputs, *interface.overridable)
        for role, tensors in (("input", inputs), ("output", interface.outputs)):
            types = {tensor.name: tensor.data_type for tensor in tensors}
            for index, entry in enumerate(getattr(model.config, role)):
                wanted = types.get(entry.name, 0)
                if wanted and entry.data_type and entry.data_type != wanted:
                    at = (role, index, "data_type")
                    yield Finding(
                        message=f"{role} '{entry.name}' is {words.data_type(wanted)} in "
                        f"{file.shown}, not {words.data_type(entry.data_type)}",
                        at=at,
                        hint=f"write data_type: {words.data_type(wanted)}",
                        fix=replace_value(model, at, words.data_type(wanted)),
                    )
