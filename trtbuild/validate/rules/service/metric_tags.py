"""A metric tag that ends the server.

What: a key of `metric_tags` has a character other than letters, digits and `_`, or begins with
two of the latter.
Why: Prometheus does not allow such labels, and the server ends with an uncaught exception while it
loads the model, with all its other models.

Example:
    backend: "python"
    metric_tags { key: "team-name" value: "vision" }

Instead:

    backend: "python"
    metric_tags { key: "team_name" value: "vision" }

Source: Triton core, metric_model_reporter.cc; tried on Triton 2.51.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "metric-tag"
SEVERITY = Severity.ERROR
NEEDS = "metric_tags"
_LABEL = re.compile(r"(?!__)[A-Za-z0-9_]*", re.ASCII)


def check(model: Model) -> Iterator[Finding]:
    """One finding a tag."""
    for key in sorted(model.config.metric_tags):
        if not _LABEL.fullmatch(key):
            yield Finding(
                message=f"'{key}' is no name of a Prometheus label, which ends the server",
                at=("metric_tags", key),
                hint="use letters, digits and _, not beginning with __",
            )
