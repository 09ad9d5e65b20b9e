"""A field that the message does not have.

What: a name that is no field of the message it stands in; names are told by their case.
Why: Triton refuses the model. Fields that came with a newer Triton are unknown to an older one:
with `--triton` T001 tells them.

Example:
    backend: "python"
    max_batchsize: 4

Instead:

    backend: "python"
    max_batch_size: 4

Source: Triton, model_config.proto; protobuf, text_format.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "unknown-field"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("unknown-field",))
