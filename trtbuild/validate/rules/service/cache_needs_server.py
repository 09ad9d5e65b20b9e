"""A response cache works only where the server has one.

What: `response_cache { enable: true }`.
Why: without `--cache-config` on the server's command line the model loads and nothing is cached.

Example:
    backend: "python"
    response_cache { enable: true }

Instead:

    backend: "python"

Source: Triton core, server.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "cache-needs-server"
SEVERITY = Severity.INFO
NEEDS = "response_cache"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.config.response_cache.enable:
        yield Finding(
            message="the response cache works only with --cache-config on the server",
            at=("response_cache",),
            hint="start tritonserver with --cache-config=local,size=SIZE",
        )
