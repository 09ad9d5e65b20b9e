"""The model batches by its config and not by its file.

What: `max_batch_size` is above 0, and the first dim of an input or output of the model file is a
fixed size; where the config leaves inputs or outputs out, or with TensorFlow, a scalar is one too.
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
from trtbuild.validate.modelfiles.interface import FileTensor
from trtbuild.validate.rules.files.onnx_backend import BACKEND, Seen, seen, shape
from trtbuild.validate.rules.files.versions import VersionFile, interfaces

NAME = "fixed-batch-dim"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version: about its first such tensor."""
    size = model.config.max_batch_size
    if size < 1:
        return
    for file, tensors in _checked(model):
        for tensor in tensors:
            if tensor.dims is not None and (not tensor.dims or tensor.dims[0] != -1):
                yield Finding(
                    message=f"max_batch_size is {size}, and '{tensor.name}' of {file.shown} has "
                    f"the fixed shape {words.dims(tensor.dims)}",
                    at=("max_batch_size",),
                    hint="export the model with a batch dim that varies, or write "
                    "max_batch_size: 0 and the whole shape as dims",
                )
                break


def _checked(model: Model) -> Iterator[tuple[VersionFile, list[FileTensor]]]:
    """The tensors whose first dim the backend looks at."""
    if model.backend == BACKEND:
        for one in seen(model):
            inputs = [tensor._replace(dims=shape(tensor)) for tensor in one.interface.inputs]
            tensors = [*inputs, *one.interface.outputs]
            yield one.file, tensors if one.completes else _compared(model, one)
    else:
        for file, interface in interfaces(model):
            yield file, [*interface.inputs, *interface.outputs]


def _compared(model: Model, one: Seen) -> list[FileTensor]:
    """Those that the config lists, without scalars, ragged inputs and scattered outputs."""
    config = model.config
    names = {entry.name for entry in config.input if not entry.allow_ragged_batch}
    scattered = {name for entry in config.batch_output for name in entry.target_name}
    outputs = {entry.name for entry in config.output} - scattered
    listed = [t for t in (*one.interface.inputs, *one.interface.overridable) if t.name in names]
    listed += [t for t in one.interface.outputs if t.name in outputs]
    return [tensor for tensor in listed if tensor.dims]
