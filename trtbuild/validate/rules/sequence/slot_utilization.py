"""A slot utilization that is no fraction.

What: `direct.minimum_slot_utilization` is below 0 or over 1.
Why: Triton refuses the model. 0 is allowed, though its message says otherwise.

Example:
    backend: "python"
    sequence_batching { direct { minimum_slot_utilization: 50 } }

Instead:

    backend: "python"
    sequence_batching { direct { minimum_slot_utilization: 0.5 } }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "slot-utilization"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    value = model.config.sequence_batching.direct.minimum_slot_utilization
    if value < 0 or value > 1:  # not `not 0 <= value <= 1`: Triton lets NaN pass
        yield Finding(
            message=f"minimum_slot_utilization is {value:g}; it is a fraction from 0 to 1",
            at=("sequence_batching", "direct", "minimum_slot_utilization"),
            hint="write 0.5 for half of the slots",
        )
