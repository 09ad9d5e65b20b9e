"""Names that the AOTInductor package of a PyTorch model does not have.

What: with `platform: "torch_aoti"`, an input or output is called neither by its place in the
call (`ARGS[0]`, `KWARGSscale`, `RESULT[0]`) nor by its number (`INPUT__0`, `OUTPUT__0`), or the
config has more or fewer inputs than the package.
Why: PyTorch's backend refuses the model: "is not found in model input map", "configuration expects
1 inputs, but model expects 2 inputs". The names of `forward`'s arguments are not in a package,
but those of its keyword arguments. Releases before 2026 took other names too, in the order of the
config.

Example:
    -- demo/config.pbtxt --
    platform: "torch_aoti"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt2 = aoti(image) --

Instead:

    -- demo/config.pbtxt --
    platform: "torch_aoti"
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt2 = aoti(image) --

Source: PyTorch backend, src/pt2/model_instance_state.cc (ValidateInputs, ValidateOutputs). Triton
2.51 has no such platform.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import VersionFile, aoti_structures

NAME = "aoti-names"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a name, and one for a number of inputs that differs."""
    for file, structure in aoti_structures(model):
        yield from _unknown(model, file, "input", structure.inputs)
        yield from _unknown(model, file, "output", structure.outputs)
        yield from _number(model, file, structure.inputs)


def _unknown(
    model: Model, file: VersionFile, role: str, names: tuple[str, ...]
) -> Iterator[Finding]:
    ordinals = [f"{role.upper()}__{index}" for index in range(len(names))]
    entries = getattr(model.config, role)
    for index, entry in enumerate(entries):
        if not entry.name or entry.name in names or entry.name in ordinals:
            continue
        only = len(entries) == len(names) == 1
        at = (role, index, "name")
        yield Finding(
            message=f"{file.shown} has no {role} '{entry.name}'; it has "
            + ", ".join(
                f"{name} ({ordinal})" for name, ordinal in zip(names, ordinals, strict=True)
            ),
            at=at,
            hint="write its place in the call or its number",
            # An ensemble that maps the name would lose it.
            fix=replace_value(model, at, quote(ordinals[0]))
            if only and not model.named_by(model.name, entry.name)
            else (),
        )


def _number(model: Model, file: VersionFile, names: tuple[str, ...]) -> Iterator[Finding]:
    stated = len(model.config.input) + len(model.config.batch_input)
    if stated != len(names):
        yield Finding(
            message=f"{file.shown} takes {len(names)} inputs ({', '.join(names) or 'none'}), and "
            f"the config has {stated}",
            at=("input",) if model.config.input else (),
            hint="declare every input of the package, each once",
        )
