"""GPUs are named for instances that use none.

What: `gpus` in a group of KIND_CPU or KIND_MODEL.
Why: Triton refuses the model: "specifies one or more GPUs". A group of KIND_AUTO becomes one of
KIND_CPU on a machine without the GPUs it names, and fails there in the same way.

Example:
    backend: "python"
    instance_group { kind: KIND_CPU gpus: [0] }

Instead:

    backend: "python"
    instance_group { kind: KIND_CPU }

Source: Triton core, model_config_utils.cc, ValidateInstanceGroup.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import remove_field
from trtbuild.validate.model import Model

NAME = "gpus-without-gpu"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"
_KINDS = {2: "KIND_CPU", 3: "KIND_MODEL"}


def check(model: Model) -> Iterator[Finding]:
    """One finding a group."""
    for index, group in enumerate(model.config.instance_group):
        if group.kind in _KINDS and group.gpus:
            at = ("instance_group", index, "gpus")
            yield Finding(
                message=f"a group of {_KINDS[group.kind]} names the GPUs {list(group.gpus)}",
                at=at,
                hint="take gpus out, or write kind: KIND_GPU",
                fix=remove_field(model, at),
            )
