"""A response cache in a decoupled model.

What: `response_cache { enable: true }` with `model_transaction_policy { decoupled: true }`.
Why: Triton refuses the model: one request has many answers there.

Example:
    backend: "python"
    response_cache { enable: true }
    model_transaction_policy { decoupled: true }

Instead:

    backend: "python"
    model_transaction_policy { decoupled: true }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "cached-decoupled"
SEVERITY = Severity.ERROR
NEEDS = "response_cache"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.config.response_cache.enable and model.config.model_transaction_policy.decoupled:
        yield Finding(
            message="response_cache in a decoupled model",
            at=("response_cache",),
            hint="take the cache out",
        )
