"""Config and model file disagree on the names of inputs and outputs.

What: the config names an input or output that the model file does not have, or leaves out an
input of the file.
Why: the backend refuses the model.

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
from trtbuild.validate.rules.files.versions import declared, interfaces
from trtbuild.validate.words import one_of

NAME = "model-file-names"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a name."""
    for file, interface in interfaces(model):
        for role, tensors in (("input", interface.inputs), ("output", interface.outputs)):
            names = {tensor.name for tensor in tensors}
            stated = declared(model, role)
            if not stated and not model.settings.strict_config:
                continue
            meant = set()  # which an unknown name probably stands for: one mistake, one finding
            for index, entry in enumerate(getattr(model.config, role)):
                if entry.name and entry.name not in names:
                    near = difflib.get_close_matches(entry.name, names, n=1)
                    free = names - stated.keys()
                    only = next(iter(free)) if len(free) == len(names) == len(stated) == 1 else ""
                    meant |= {only, *near}
                    yield Finding(
                        message=f"{file.shown} has no {role} '{entry.name}'; "
                        f"it has {one_of(names)}"
                        + (f"; did you mean '{near[0]}'?" if near else ""),
                        at=(role, index, "name"),
                        hint="write the name that the file has",
                        fix=replace_value(model, (role, index, "name"), quote(only))
                        if only
                        else (),
                    )
            for name in sorted(names - stated.keys() - meant) if role == "input" else ():
                yield Finding(
                    message=f"the input '{name}' of {file.shown} is not in the config",
                    at=("input",),
                    hint="declare every input of the file",
                )
