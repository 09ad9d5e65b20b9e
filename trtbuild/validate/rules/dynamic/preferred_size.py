"""A preferred batch size that no batch can have.

What: a `preferred_batch_size` is below 1 or over `max_batch_size`.
Why: Triton refuses the model: "dynamic batching preferred size must be <= max batch size". So
a model with `max_batch_size` 0 cannot have preferred sizes at all.

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching { preferred_batch_size: [4, 8] }

Instead:

    backend: "python"
    max_batch_size: 8
    dynamic_batching { preferred_batch_size: [4, 8] }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import refused_batch_sizes
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "preferred-batch-size"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a size, of the dynamic batcher and of the sequence batcher's `oldest`."""
    for at, size in refused_batch_sizes(model.config):
        yield Finding(
            message=f"the preferred batch size {size} is not within 1 and max_batch_size, "
            f"which is {model.config.max_batch_size}",
            at=at,
            hint="take it out, or raise max_batch_size",
        )
