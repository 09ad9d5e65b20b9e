"""Config and model file disagree on dims.

What: the `dims` (or the `reshape`) of an input or output do not fit the model file's shape. With
a `max_batch_size` above 0 the batch dim is not among `dims`; it is often repeated there.
Why: the backend refuses the model. A -1 where the file has a size is a warning.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [-1, 3, 224, 224] }
    output { name: "y" data_type: TYPE_FP32 dims: [1000] }
    -- demo/1/model.onnx = x:fp32[N,3,224,224] -> y:fp32[N,1000] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [3, 224, 224] }
    output { name: "y" data_type: TYPE_FP32 dims: [1000] }
    -- demo/1/model.onnx = x:fp32[N,3,224,224] -> y:fp32[N,1000] --

Source: ONNX Runtime backend, onnx_utils.cc (CompareDimsSupported); TensorFlow backend,
tensorflow.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import without_batch_dim
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import interfaces

NAME = "model-file-dims"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    batches = model.config.max_batch_size > 0
    for file, interface in interfaces(model):
        for role, tensors in (("input", interface.inputs), ("output", interface.outputs)):
            shapes = {tensor.name: tensor.dims for tensor in tensors}
            for index, entry in enumerate(getattr(model.config, role)):
                whole = shapes.get(entry.name)
                if whole is None or not entry.dims or (batches and not whole):
                    continue
                have = _served(entry)
                want = whole[1:] if batches else whole
                # A scalar is one element to ONNX Runtime where the config says [1].
                if have == want or (not want and have == (1,)):
                    continue
                severity = _severity(have, want)
                if severity is not None:
                    yield Finding(
                        message=f"{role} '{entry.name}' has the dims {words.dims(have)}; "
                        f"{file.shown} has {words.dims(whole)}"
                        + (", of which the first is the batch" if batches else ""),
                        at=(role, index, "dims"),
                        hint=f"write dims: {words.dims(want)}",
                        severity=severity,
                        fix=without_batch_dim(model, role, index, whole) if batches else (),
                    )


def _served(entry: Any) -> tuple[int, ...]:
    """The dims that the backend sees."""
    return tuple(entry.reshape.shape if entry.HasField("reshape") else entry.dims)


def _severity(have: tuple[int, ...], want: tuple[int, ...]) -> Severity | None:
    if len(have) != len(want):
        return Severity.ERROR
    pairs = list(zip(have, want, strict=True))
    if any(h != w and -1 not in (h, w) for h, w in pairs):
        return Severity.ERROR
    return Severity.WARNING if any(h == -1 != w for h, w in pairs) else None
