"""A name that is no value of the field.

What: an enum's value that does not exist (`FP32` for `TYPE_FP32`), or a word for true or false
that is none.
Why: Triton refuses the model.

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FLOAT32 dims: [4] }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }

Source: Triton, model_config.proto; protobuf, text_format.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import syntax_problems

NAME = "unknown-value"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    yield from syntax_problems(model, ("unknown-value",))
