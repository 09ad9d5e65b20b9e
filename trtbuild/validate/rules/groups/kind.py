"""An instance group of an unknown kind.

What: `kind` is a number that stands for no kind.
Why: Triton refuses the model.

Example:
    backend: "python"
    instance_group { kind: 9 }

Instead:

    backend: "python"
    instance_group { kind: KIND_AUTO }

Source: Triton core, model_config_utils.cc, ValidateInstanceGroup; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unknown-instance-kind"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding a group."""
    for index, group in enumerate(model.config.instance_group):
        if group.kind not in range(4):
            yield Finding(
                message=f"no kind of instance group has the number {group.kind}",
                at=("instance_group", index, "kind"),
                hint="write KIND_AUTO, KIND_GPU, KIND_CPU or KIND_MODEL",
            )
