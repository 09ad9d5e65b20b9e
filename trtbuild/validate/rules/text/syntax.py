"""The config cannot be read.

What: the text breaks the rules of protobuf's text format.
Why: Triton refuses the model: "failed to read text proto". The place of the fault goes only to
the server's error output.

Example:
    backend: "python"
    max_batch_size 4

Instead:

    backend: "python"
    max_batch_size: 4

Source: protobuf, text_format.cc, by which Triton reads configs; Triton core, filesystem/api.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "syntax"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("syntax",))
