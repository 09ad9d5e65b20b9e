"""A placeholder of a template was left in the config.

What: the config cannot be read, and a placeholder is the cause: `${NAME}`, `{{ name }}`, `$NAME`,
`@NAME@`, `%(name)s`, `<name>`, `__NAME__`, `{name}`, `NAME` where a number belongs, or `#name`,
which begins a comment.
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

from trtbuild.modelconfig.grammar import shown
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import placeholders

NAME = "unfilled-template"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a placeholder."""
    for problem, found in placeholders(model):
        comment = ", and '#' begins a comment" if found.comment else ""
        yield Finding(
            message=f"the placeholder {shown(found.word)} was not filled in{comment} "
            f"({problem.problem})",
            offset=found.start,
            hint="this looks like a template: run the script that fills it in, or write the value",
        )
