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

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import without_batch_dim
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import VersionFile, interfaces

NAME = "model-file-dims"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    for file, interface in interfaces(model):
        for role, tensors in (("input", interface.inputs), ("output", interface.outputs)):
            shapes = {tensor.name: tensor.dims for tensor in tensors}
            for index, entry in enumerate(getattr(model.config, role)):
                whole = shapes.get(entry.name)
                if whole is not None and entry.dims:
                    yield from _compare(model, file, (role, index), whole)


def _compare(
    model: Model, file: VersionFile, at: tuple[str, int], whole: tuple[int, ...]
) -> Iterator[Finding]:
    role, index = at
    entry = getattr(model.config, role)[index]
    batches = model.config.max_batch_size > 0
    reshaped = entry.HasField("reshape")
    have = tuple(entry.reshape.shape if reshaped else entry.dims)  # what the backend sees
    want = whole[1:] if batches else whole
    # A file that does not batch has a rule of its own, which says what to do with the dims.
    if batches and (not whole or (whole[0] != -1 and have == whole)):
        return
    # A scalar is one element to ONNX Runtime where the config says [1].
    if have == want or (not want and have == (1,)):
        return
    severity = _severity(have, want)
    if severity is not None:
        is_what = "is reshaped to" if reshaped else "has the dims"
        yield Finding(
            message=f"{role} '{entry.name}' {is_what} {words.dims(have)}; {file.shown} has "
            f"{words.dims(whole)}" + (", of which the first is the batch" if batches else ""),
            at=(role, index, "reshape" if reshaped else "dims"),
            hint=f"write {'reshape { shape' if reshaped else 'dims'}: {words.dims(want)}"
            + (" }" if reshaped else ""),
            severity=severity,
            fix=without_batch_dim(model, role, index, whole) if batches else (),
        )


def _severity(have: tuple[int, ...], want: tuple[int, ...]) -> Severity | None:
    if len(have) != len(want):
        return Severity.ERROR
    pairs = list(zip(have, want, strict=True))
    if any(h != w and -1 not in (h, w) for h, w in pairs):
        return Severity.ERROR
    return Severity.WARNING if any(h == -1 != w for h, w in pairs) else None
