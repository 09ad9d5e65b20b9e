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

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "preferred-batch-size"
SEVERITY = Severity.ERROR
_FIELDS = (("dynamic_batching",), ("sequence_batching", "oldest"))


def check(model: Model) -> Iterator[Finding]:
    """One finding a size, of the dynamic batcher and of the sequence batcher's `oldest`."""
    largest = model.config.max_batch_size
    for field in _FIELDS:
        message = model.config
        for name in field:
            message = getattr(message, name)
        for index, size in enumerate(message.preferred_batch_size):
            if size < 1 or size > largest:
                yield Finding(
                    message=f"the preferred batch size {size} is not within 1 and "
                    f"max_batch_size, which is {largest}",
                    at=(*field, "preferred_batch_size", index),
                    hint="take it out, or raise max_batch_size",
                )
