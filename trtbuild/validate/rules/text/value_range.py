"""A number that its field cannot hold.

What: a number over the field's range, a negative one where only positive ones go, or one with a
fraction where a whole one is wanted.
Why: Triton refuses the model.

Example:
    backend: "python"
    max_batch_size: 4294967296

Instead:

    backend: "python"
    max_batch_size: 8

Source: protobuf, text_format.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "value-range"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("range",))
