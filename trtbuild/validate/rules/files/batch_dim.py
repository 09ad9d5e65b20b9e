"""The model batches by its config and not by its file.

What: `max_batch_size` is above 0, and the first dim of an input or output of the model file is a
fixed size, or there is none.
Why: ONNX Runtime's backend refuses the model: "model does not support batching".

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[1,4] -> y:fp32[1,4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP32 dims: [1, 4] }
    output { name: "y" data_type: TYPE_FP32 dims: [1, 4] }
    -- demo/1/model.onnx = x:fp32[1,4] -> y:fp32[1,4] --

Source: ONNX Runtime backend, onnxruntime.cc (AutoCompleteMaxBatch, ValidateInputs).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import interfaces

NAME = "fixed-batch-dim"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version: about its first such tensor."""
    size = model.config.max_batch_size
    if size < 1:
        return
    for file, interface in interfaces(model):
        for tensor in (*interface.inputs, *interface.outputs):
            if tensor.dims is not None and (not tensor.dims or tensor.dims[0] != -1):
                yield Finding(
                    message=f"max_batch_size is {size}, and '{tensor.name}' of {file.shown} has "
                    f"the fixed shape {words.dims(tensor.dims)}",
                    at=("max_batch_size",),
                    hint="export the model with a batch dim that varies, or write "
                    "max_batch_size: 0 and the whole shape as dims",
                )
                break
