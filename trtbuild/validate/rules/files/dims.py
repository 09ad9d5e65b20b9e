"""Config and model file disagree on dims.

What: the `dims` (or the `reshape`) of an input or output do not fit the model file's shape. With
a `max_batch_size` above 0 the batch dim is not among `dims`; it is often repeated there.
Why: the backend refuses the model. To ONNX Runtime's backend an input's dims may say more than the
file, where that varies, and never less; an output's must be the file's, with -1 where that varies.
A model whose inputs or outputs the config leaves out gets `max_batch_size: 4` where the file
batches. Ragged inputs have a rule of their own, and `batch_output` targets are not compared.

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

Source: ONNX Runtime backend, onnxruntime_utils.cc (CompareDimsSupported) and onnxruntime.cc
(ValidateInputs, ValidateOutputs, AutoCompleteMaxBatch); TensorFlow backend, tensorflow.cc.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import without_batch_dim
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import FileTensor
from trtbuild.validate.rules.files.onnx_backend import BACKEND, Seen, seen, shape
from trtbuild.validate.rules.files.versions import VersionFile, interfaces

NAME = "model-file-dims"
SEVERITY = Severity.ERROR


class _Pair(NamedTuple):
    """A tensor of the config and its shape in the file."""

    file: VersionFile
    role: str
    number: int  # among the config's inputs or outputs
    whole: tuple[int, ...]  # of the file, with the batch dim
    batches: bool
    filled_batch: bool = False  # by auto-complete


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    if model.backend == BACKEND:
        for one in seen(model):
            for pair in _onnx_pairs(model, one):
                yield from _compare_onnx(model, pair)
        return
    for file, interface in interfaces(model):
        for role, tensors in (("input", interface.inputs), ("output", interface.outputs)):
            for index, tensor in _declared(model, role, tensors):
                if tensor.dims is not None:
                    batches = model.config.max_batch_size > 0
                    yield from _compare(model, _Pair(file, role, index, tensor.dims, batches))


def _declared(
    model: Model, role: str, tensors: Sequence[FileTensor]
) -> Iterator[tuple[int, FileTensor]]:
    by_name = {tensor.name: tensor for tensor in tensors}
    for index, entry in enumerate(getattr(model.config, role)):
        if entry.name in by_name and entry.dims:
            yield index, by_name[entry.name]


def _onnx_pairs(model: Model, one: Seen) -> Iterator[_Pair]:
    config, size = model.config, one.max_batch_size
    if size is None:
        return
    scattered = {name for entry in config.batch_output for name in entry.target_name}
    inputs = (*one.interface.inputs, *one.interface.overridable)
    for index, tensor in _declared(model, "input", inputs):
        if not config.input[index].allow_ragged_batch:
            yield _Pair(one.file, "input", index, shape(tensor), size > 0, one.filled_batch)
    for index, tensor in _declared(model, "output", one.interface.outputs):
        # Without a rank it is what ONNX Runtime infers.
        if tensor.name not in scattered and tensor.dims is not None:
            yield _Pair(one.file, "output", index, tensor.dims, size > 0, one.filled_batch)


def _compare_onnx(model: Model, pair: _Pair) -> Iterator[Finding]:
    entry = getattr(model.config, pair.role)[pair.number]
    have = tuple(entry.reshape.shape if entry.HasField("reshape") else entry.dims)
    if not pair.whole:  # a scalar, whether the model batches or not
        fits = all(dim == 1 for dim in have)
    elif pair.batches and pair.whole[0] != -1:  # which has a rule of its own
        fits = True
    else:
        want = pair.whole[1:] if pair.batches else pair.whole
        fits = len(have) == len(want) and all(
            h == w or (w == -1 and pair.role == "input") for h, w in zip(have, want, strict=True)
        )
    if not fits:
        yield _finding(model, pair, have, Severity.ERROR)


def _compare(model: Model, pair: _Pair) -> Iterator[Finding]:
    """TensorFlow's, where -1 on either side stands for any size."""
    entry = getattr(model.config, pair.role)[pair.number]
    have = tuple(entry.reshape.shape if entry.HasField("reshape") else entry.dims)
    want = pair.whole[1:] if pair.batches else pair.whole
    # A file that does not batch has a rule of its own, which says what to do with the dims.
    if pair.batches and (not pair.whole or (pair.whole[0] != -1 and have == pair.whole)):
        return
    severity = _severity(have, want)
    if severity is not None and (want or have != (1,)):
        yield _finding(model, pair, have, severity)


def _severity(have: tuple[int, ...], want: tuple[int, ...]) -> Severity | None:
    if len(have) != len(want):
        return Severity.ERROR
    pairs = list(zip(have, want, strict=True))
    if any(h != w and -1 not in (h, w) for h, w in pairs):
        return Severity.ERROR
    return Severity.WARNING if any(h == -1 != w for h, w in pairs) else None


def _finding(model: Model, pair: _Pair, have: tuple[int, ...], severity: Severity) -> Finding:
    role, index, whole = pair.role, pair.number, pair.whole
    entry = getattr(model.config, role)[index]
    reshaped = entry.HasField("reshape")
    is_what = "is reshaped to" if reshaped else "has the dims"
    batch = ", of which the first is the batch" if pair.batches and whole else ""
    if batch and pair.filled_batch:
        batch += ": auto-complete sets a max_batch_size"
    return Finding(
        message=f"{role} '{entry.name}' {is_what} {words.dims(have)}; {pair.file.shown} has "
        f"{words.dims(whole)}{batch}",
        at=(role, index, "reshape" if reshaped else "dims"),
        hint=f"write {_right(pair, reshaped=reshaped)}"
        + (", or list inputs and outputs both" if pair.filled_batch else ""),
        severity=severity,
        fix=without_batch_dim(model, role, index, whole)
        if pair.batches and not pair.filled_batch
        else (),
    )


def _right(pair: _Pair, *, reshaped: bool) -> str:
    """The field as it has to be. `dims` has no empty shape: a scalar an item is a reshape."""
    want = pair.whole[1:] if pair.batches else pair.whole
    if reshaped and (want or pair.batches):
        return f"reshape {{ shape: {words.dims(want)} }}"
    if not want and pair.batches:
        return "dims: [1] reshape { shape: [] }"
    return f"dims: {words.dims(want or (1,))}" + (" without a reshape" if reshaped else "")
