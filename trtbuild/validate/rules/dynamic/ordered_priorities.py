"""Order is to be kept over several priorities.

What: `preserve_ordering` together with more than one priority level.
Why: Triton refuses the model: "only one priority level is allowed".

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching { preserve_ordering: true priority_levels: 2 default_priority_level: 1 }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching { priority_levels: 2 default_priority_level: 1 }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import is_order_of_levels_refused
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "ordered-priorities"
SEVERITY = Severity.ERROR
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    batching = model.config.dynamic_batching
    if is_order_of_levels_refused(batching):
        yield Finding(
            message=f"preserve_ordering with {batching.priority_levels} priority levels",
            at=("dynamic_batching", "preserve_ordering"),
            hint="take preserve_ordering or the priorities out",
        )
