"""A negative max_batch_size.

What: `max_batch_size` is below 0.
Why: Triton refuses the model: "'max_batch_size' must be non-negative". 0 means that the model
does not batch and `dims` is the whole shape.

Example:
    backend: "python"
    max_batch_size: -1

Instead:

    backend: "python"
    max_batch_size: 8

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "negative-max-batch-size"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    size = model.config.max_batch_size
    if size < 0:
        yield Finding(
            message=f"max_batch_size is {size}; it is 0 for a model that does not batch, else "
            "the largest batch",
            at=("max_batch_size",),
            hint="an unlimited batch does not exist; write the largest one the model can take",
        )
