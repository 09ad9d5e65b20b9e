"""A placeholder of a template was left in the config.

What: the config cannot be read, and the line at fault holds `${...}` or `{{...}}`.
Why: Triton refuses the model. Such files are templates that a script fills in first.

Example:
    backend: "python"
    max_batch_size: ${max_batch_size}

Instead:

    backend: "python"
    max_batch_size: 8

Source: protobuf, text_format.cc, to which such text is no value; the TensorRT-LLM backend's example
configs are templates.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import template_at

NAME = "unfilled-template"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    problem = model.problem
    if isinstance(problem, ConfigSyntaxError) and template_at(problem):
        yield Finding(
            message=f"a placeholder was not filled in ({problem.problem})",
            offset=problem.offset,
            hint="run the script that fills in the template, or write the value",
        )
