"""A rate limiter's resource is global in one model and per device in another.

What: a resource name stands with `global: true` here and without it in another model, or the other
way round. Passive instance groups do not count.
Why: resources are shared by all models of a server. With `--rate-limit=execution_count` Triton
refuses whichever of the models it loads last; without it the rate limiter is off and nothing
happens.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    instance_group { rate_limiter { resources { name: "R" count: 1 } } }
    -- demo/1/model.py --
    -- other/config.pbtxt --
    backend: "python"
    instance_group { rate_limiter { resources { name: "R" global: true count: 1 } } }
    -- other/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    instance_group { rate_limiter { resources { name: "R" global: true count: 1 } } }
    -- demo/1/model.py --
    -- other/config.pbtxt --
    backend: "python"
    instance_group { rate_limiter { resources { name: "R" global: true count: 1 } } }
    -- other/1/model.py --

Source: Triton core, rate_limiter.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.resources import resources
from trtbuild.validate.words import few_of

NAME = "resource-clash"
SEVERITY = Severity.WARNING
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding an entry."""
    for resource in resources(model) if model.settings.server == "triton" else ():
        opposite = model.resource_holders.get((resource.name, not resource.is_global), ())
        others = [name for name in opposite if name != model.name]
        here, there = "global", "per device"
        if others:
            if not resource.is_global:
                here, there = there, here
            yield Finding(
                message=f"the resource '{resource.name}' is {here} here and {there} in "
                f"{few_of(others)}",
                at=resource.at,
                hint="make it the same in all models, or give one of the two another name",
            )
