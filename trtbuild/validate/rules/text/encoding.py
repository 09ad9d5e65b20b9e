r"""The config is no text.

What: there is a NUL byte in it, or another byte that no text format file has outside quotes.
Why: Triton refuses the model.

Example:
    backend: "python" \0

Instead:

    backend: "python"

Source: protobuf, io/tokenizer.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "not-a-text-file"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("encoding",))
