"""Config and model file disagree on a data type.

What: the `data_type` of an input, an output, a state or a `batch_input` is not that of the model
file.
Why: the backend refuses the model. States and batch inputs it does not compare: the model loads,
and every request fails, "Unexpected input data type": a warning.

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

Source: ONNX Runtime backend, onnxruntime.cc (ValidateInputs, ValidateOutputs, SetInputTensors);
TensorFlow backend, tensorflow.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from trtbuild.validate import words
from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.fixes import replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.onnx_backend import BACKEND
from trtbuild.validate.rules.files.versions import VersionFile, interfaces
from trtbuild.validate.rules.tensors.batch_input import BATCH_INPUT_TYPES

NAME = "model-file-data-type"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    for file, interface in interfaces(model):
        inputs = (*interface.inputs, *interface.overridable)
        by_role = {
            "input": {tensor.name: tensor.data_type for tensor in inputs},
            "output": {tensor.name: tensor.data_type for tensor in interface.outputs},
        }
        for role, types in by_role.items():
            for index, entry in enumerate(getattr(model.config, role)):
                used = _Use(f"{role} '{entry.name}'", (role, index, "data_type"))
                yield from _compare(model, file, used, entry.data_type, types.get(entry.name, 0))
        if model.backend == BACKEND:
            yield from _batch_inputs(model, file, by_role["input"])
            yield from _states(model, file, by_role)


class _Use(NamedTuple):
    """A tensor of the file in the config."""

    what: str
    at: FieldPath
    severity: Severity | None = None


def _compare(
    model: Model, file: VersionFile, used: _Use, given: int, wanted: int
) -> Iterator[Finding]:
    if wanted and given and given != wanted:
        yield Finding(
            message=f"{used.what} is {words.data_type(wanted)} in {file.shown}, not "
            f"{words.data_type(given)}",
            at=used.at,
            hint=f"write data_type: {words.data_type(wanted)}",
            severity=used.severity,
            fix=replace_value(model, used.at, words.data_type(wanted)),
        )


def _batch_inputs(model: Model, file: VersionFile, types: dict[str, int]) -> Iterator[Finding]:
    for index, entry in enumerate(model.config.batch_input):
        for name in entry.target_name:
            used = _Use(
                f"the batch input '{name}'", ("batch_input", index, "data_type"), Severity.WARNING
            )
            for finding in _compare(model, file, used, entry.data_type, types.get(name, 0)):
                # I011 holds what a batch input can be.
                yield (
                    finding
                    if types[name] in BATCH_INPUT_TYPES
                    else msgspec.structs.replace(
                        finding,
                        hint="a batch input is TYPE_INT32 or TYPE_FP32: export the model with an "
                        f"input '{name}' of one of them, which it casts",
                        fix=(),
                    )
                )


def _states(
    model: Model, file: VersionFile, by_role: dict[str, dict[str, int]]
) -> Iterator[Finding]:
    for index, state in enumerate(model.config.sequence_batching.state):
        at = ("sequence_batching", "state", index, "data_type")
        for role, name in (("input", state.input_name), ("output", state.output_name)):
            used = _Use(f"the state's {role} '{name}'", at, Severity.WARNING)
            wanted = by_role[role].get(name, 0)
            yield from _compare(model, file, used, state.data_type, wanted)
