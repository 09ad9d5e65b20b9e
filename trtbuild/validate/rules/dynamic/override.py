"""Timeouts of requests are allowed, and none can have an effect.

What: `allow_timeout_override: true` with a default timeout of 0.
Why: a request's own timeout counts only where it is smaller than the default one, and none is
smaller than 0.

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching { default_queue_policy { allow_timeout_override: true } }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching {
      default_queue_policy { allow_timeout_override: true default_timeout_microseconds: 1000000 }
    }

Source: Triton core, scheduler_utils.cc, PolicyQueue.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "override-without-timeout"
SEVERITY = Severity.WARNING
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding, about the default policy."""
    policy = model.config.dynamic_batching.default_queue_policy
    if policy.allow_timeout_override and not policy.default_timeout_microseconds:
        yield Finding(
            message="allow_timeout_override with a default timeout of 0 overrides nothing",
            at=("dynamic_batching", "default_queue_policy", "allow_timeout_override"),
            hint="set default_timeout_microseconds to the longest wait you want",
        )
