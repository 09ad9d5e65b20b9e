"""A rate limiter's resource is both global and per device.

What: a resource name stands once with `global: true` and once without, in this model. Passive
instance groups do not count.
Why: with `--rate-limit=execution_count` Triton refuses the model; without it the rate limiter is
off and nothing happens.

Example:
    backend: "python"
    instance_group {
      rate_limiter { resources [ { name: "R" global: true count: 1 }, { name: "R" count: 1 } ] }
    }

Instead:

    backend: "python"
    instance_group {
      rate_limiter { resources [ { name: "R" global: true count: 1 }, { name: "Q" count: 1 } ] }
    }

Source: Triton core, rate_limiter.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.resources import resources

NAME = "global-and-device-resource"
SEVERITY = Severity.WARNING
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding a repetition."""
    seen: dict[str, bool] = {}
    for resource in resources(model) if model.settings.server == "triton" else ():
        if seen.setdefault(resource.name, resource.is_global) != resource.is_global:
            yield Finding(
                message=f"the resource '{resource.name}' is both global and per device",
                at=resource.at,
                hint="use one name for each",
            )
