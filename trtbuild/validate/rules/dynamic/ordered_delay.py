"""Order is to be kept, and late requests are to be delayed.

What: `preserve_ordering` with a queue policy that has a timeout and `timeout_action: DELAY`.
Why: Triton refuses the model: a delayed request would be overtaken.

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching {
      preserve_ordering: true
      default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1000 }
    }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching {
      preserve_ordering: true
      default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 1000 }
    }

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import delaying_policies
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "ordered-delay"
SEVERITY = Severity.ERROR
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a policy."""
    for at, policy in delaying_policies(model.config.dynamic_batching):
        yield Finding(
            message="preserve_ordering with a policy that delays requests after "
            f"{policy.default_timeout_microseconds} us",
            at=("dynamic_batching", *at),
            hint="write timeout_action: REJECT, or take preserve_ordering out",
        )
