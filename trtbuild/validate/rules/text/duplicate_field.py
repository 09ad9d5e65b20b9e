"""A field that is given twice, or two of which only one may be given.

What: a field that is no list stands twice; or two of `dynamic_batching`, `sequence_batching` and
`ensemble_scheduling`, of `latest`, `all` and `specific`, and the like.
Why: Triton refuses the model.

Example:
    backend: "python"
    max_batch_size: 4
    dynamic_batching { }
    sequence_batching { }

Instead:

    backend: "python"
    max_batch_size: 4
    dynamic_batching { }

Source: protobuf, text_format.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "duplicate-field"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("duplicate",))
