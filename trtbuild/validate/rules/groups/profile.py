"""An optimization profile that cannot be used.

What: `profile` in a model that is no TensorRT plan, or one that is no number from 0 on.
Why: Triton refuses the model. It reads numbers as C does: "1x" is 1.

Example:
    backend: "python"
    instance_group { profile: "0" }

Instead:

    backend: "python"
    instance_group { count: 1 }

Source: Triton core, model_config_utils.cc, ValidateInstanceGroup and GetProfileIndex.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import leading_number
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import remove_field
from trtbuild.validate.model import Model

NAME = "instance-profile"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"
_INT32_MAX = 2**31 - 1


def check(model: Model) -> Iterator[Finding]:
    """One finding a profile."""
    plan = model.platform == "tensorrt_plan" or model.backend == "tensorrt_rtx"
    for index, group in enumerate(model.config.instance_group):
        for number, profile in enumerate(group.profile):
            at = ("instance_group", index, "profile", number)
            value = leading_number(profile)
            if not plan:
                yield Finding(
                    message="profile is for TensorRT plans only",
                    at=at,
                    hint="take it out",
                    fix=remove_field(model, at[:-1]) if number == 0 else (),
                )
            elif value is None or not 0 <= value <= _INT32_MAX:
                yield Finding(
                    message=f"the profile '{profile}' is no number from 0 on",
                    at=at,
                    hint='the plan\'s first profile is "0"',
                )
            elif not profile.isdecimal():
                yield Finding(
                    message=f"the profile '{profile}' is read as {value}",
                    at=at,
                    hint=f'write "{value}"',
                    severity=Severity.WARNING,
                )
