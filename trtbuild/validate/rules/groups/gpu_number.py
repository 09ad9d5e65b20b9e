"""A GPU number that no machine has.

What: a number in `gpus` is negative.
Why: Triton refuses the model: "invalid or unsupported gpu id". Which other numbers exist
depends on the machine (and on CUDA_VISIBLE_DEVICES, which counts from 0 again).

Example:
    backend: "python"
    instance_group { kind: KIND_GPU gpus: [-1] }

Instead:

    backend: "python"
    instance_group { kind: KIND_CPU }

Source: Triton core, model_config_utils.cc, ValidateInstanceGroup.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "negative-gpu"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding a number; those of CPU groups have a rule of their own."""
    for index, group in enumerate(model.config.instance_group):
        for number, gpu in enumerate(group.gpus):
            if gpu < 0 and group.kind in (0, 1):
                yield Finding(
                    message=f"there is no GPU {gpu}; the first one is 0",
                    at=("instance_group", index, "gpus", number),
                    hint="leave gpus out to use all GPUs",
                )
