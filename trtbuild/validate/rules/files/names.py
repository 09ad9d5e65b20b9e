"""Config and model file disagree on the names of inputs and outputs.

What: the config names an input or output that the model file does not have, or leaves out an
input of the file.
Why: the backend refuses the model. ONNX Runtime's also counts: inputs that are not optional,
`batch_input`s, controls and states must together be as many as the file has inputs.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
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

import difflib
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import Interface
from trtbuild.validate.rules.files.onnx_backend import Seen, fills_inputs, first_controls, seen
from trtbuild.validate.rules.files.versions import VersionFile, declared, interfaces
from trtbuild.validate.words import one_of

NAME = "model-file-names"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a name; one about the number of inputs where no name explains it."""
    counted = {one.file.version: one for one in seen(model)}
    for file, interface in interfaces(model):
        one = counted.get(file.version)
        inputs = list(_inputs(model, file, interface, one))
        yield from inputs
        yield from _unknown(model, file, "output", interface, set())
        if one is not None and not inputs:
            yield from _count(model, one)


def _inputs(
    model: Model, file: VersionFile, interface: Interface, one: Seen | None
) -> Iterator[Finding]:
    stated = declared(model, "input")
    filled = fills_inputs(model, one) if one else not stated and not model.settings.strict_config
    if filled:
        return
    names = {tensor.name for tensor in interface.inputs}
    meant: set[str] = set()  # which an unknown name probably stands for: one mistake, one finding
    yield from _unknown(model, file, "input", interface, meant)
    for name in sorted(names - stated.keys() - meant):
        yield Finding(
            message=f"the input '{name}' of {file.shown} is not in the config",
            at=("input",),
            hint="declare every input of the file",
        )


def _unknown(
    model: Model, file: VersionFile, role: str, interface: Interface, meant: set[str]
) -> Iterator[Finding]:
    """The config's names that the file has not; what they probably `meant` is added there."""
    tensors = interface.inputs if role == "input" else interface.outputs
    names = {tensor.name for tensor in tensors}
    also = {tensor.name for tensor in interface.overridable} if role == "input" else set()
    stated = declared(model, role)
    for index, entry in enumerate(getattr(model.config, role)):
        if not entry.name or entry.name in names or entry.name in also:
            continue
        near = difflib.get_close_matches(entry.name, names, n=1)
        free = names - stated.keys()
        only = next(iter(free)) if len(free) == len(names) == len(stated) == 1 else ""
        meant |= {only, *near}
        at = (role, index, "name")
        yield Finding(
            message=f"{file.shown} has no {role} '{entry.name}'; it has {one_of(names)}"
            + (f"; did you mean '{near[0]}'?" if near else ""),
            at=at,
            hint="write the name that the file has",
            # An ensemble that maps the name would lose it.
            fix=replace_value(model, at, quote(only))
            if only and not model.named_by(model.name, entry.name)
            else (),
        )


def _count(model: Model, one: Seen) -> Iterator[Finding]:
    """ONNX Runtime's backend adds up what the config gives; names that others find are left."""
    config, file_inputs = model.config, one.interface.inputs
    names = {tensor.name for tensor in file_inputs}
    made = [entry.name for _, entry, _ in first_controls(model)]
    told = {tensor.name for tensor in one.interface.overridable}
    if any(e.optional or e.name in told for e in config.input) or set(made) - names:
        return
    filled = fills_inputs(model, one)
    states = config.sequence_batching.state
    count = len(file_inputs) if filled else len(config.input)
    count += len(config.batch_input) + len(made) + len(states)
    if count != len(file_inputs):
        yield Finding(
            message=f"the config stands for {count} inputs (with controls, states and batch "
            f"inputs), and {one.file.shown} has {len(file_inputs)}: {one_of(names)}",
            at=("input",),
            hint="list the inputs that clients send: auto-complete lists the controls too"
            if filled
            else "give each input of the file once",
        )
