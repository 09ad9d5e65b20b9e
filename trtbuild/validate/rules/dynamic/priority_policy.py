"""A queue policy for a priority level that does not exist.

What: a key of `priority_queue_policy` is not within 1 and `priority_levels`.
Why: Triton refuses the model. Without `priority_levels` it loads, and the policy has no effect.

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching {
      priority_levels: 2 default_priority_level: 1
      priority_queue_policy { key: 3 value { max_queue_size: 10 } }
    }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching {
      priority_levels: 2 default_priority_level: 1
      priority_queue_policy { key: 2 value { max_queue_size: 10 } }
    }

Source: Triton core, model_config_utils.cc, ValidateModelConfig; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import absent_levels
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "priority-policy-level"
SEVERITY = Severity.ERROR
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a level; a warning where there are no levels."""
    batching = model.config.dynamic_batching
    levels = batching.priority_levels
    for level in absent_levels(batching):
        yield Finding(
            message=f"a queue policy for priority level {level}; "
            + (f"there are 1 to {levels}" if levels else "there are no levels"),
            at=("dynamic_batching", "priority_queue_policy", level),
            hint="set priority_levels, or take the policy out",
            severity=None if levels else Severity.WARNING,
        )
