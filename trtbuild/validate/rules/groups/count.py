"""A negative number of instances.

What: `count` is below 0.
Why: the model loads with the default number, as if nothing had been written.

Example:
    backend: "python"
    instance_group { count: -2 }

Instead:

    backend: "python"
    instance_group { count: 2 }

Source: Triton core, model_config_utils.cc, NormalizeInstanceGroup; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "negative-instance-count"
SEVERITY = Severity.WARNING
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding a group."""
    for index, group in enumerate(model.config.instance_group):
        if group.count < 0:
            yield Finding(
                message=f"count is {group.count}; the server takes the default number instead",
                at=("instance_group", index, "count"),
                hint="write how many instances you want, or leave count out",
            )
