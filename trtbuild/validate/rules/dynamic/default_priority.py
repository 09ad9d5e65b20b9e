"""Priority levels without a valid default.

What: `priority_levels` is set and `default_priority_level` is not within 1 and that number;
0 is what it is when left out.
Why: Triton refuses the model: "default priority level must be in range".

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching { priority_levels: 2 }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching { priority_levels: 2 default_priority_level: 2 }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import is_default_level_refused
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "default-priority-level"
SEVERITY = Severity.ERROR
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    batching = model.config.dynamic_batching
    levels, default = batching.priority_levels, batching.default_priority_level
    if is_default_level_refused(batching):
        yield Finding(
            message=f"default_priority_level is {default} and the levels are 1 to {levels}",
            at=("dynamic_batching", "default_priority_level" if default else "priority_levels"),
            hint=f"write default_priority_level: {levels}, the lowest, or another level",
        )
