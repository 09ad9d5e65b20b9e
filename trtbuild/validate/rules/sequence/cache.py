"""A response cache in a sequence model.

What: `response_cache { enable: true }` with `sequence_batching`.
Why: Triton refuses the model: an answer depends on the requests before it.

Example:
    backend: "python"
    sequence_batching { }
    response_cache { enable: true }

Instead:

    backend: "python"
    sequence_batching { }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "cached-sequence"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.config.response_cache.enable:
        yield Finding(
            message="response_cache with sequence_batching",
            at=("response_cache",),
            hint="take the cache out",
        )
