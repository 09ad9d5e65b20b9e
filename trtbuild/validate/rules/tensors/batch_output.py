"""A batch output that Triton cannot make.

What: a `batch_output` of an unknown kind, with other than one `source_input`, with a source
that is no input, or with a target that is no output or stands twice in it.
Why: Triton refuses the model.

Example:
    backend: "python"
    input { name: "ids" data_type: TYPE_INT32 dims: [-1] }
    output { name: "scores" data_type: TYPE_FP32 dims: [-1] }
    batch_output { target_name: "logits" source_input: "ids" }

Instead:

    backend: "python"
    input { name: "ids" data_type: TYPE_INT32 dims: [-1] }
    output { name: "scores" data_type: TYPE_FP32 dims: [-1] }
    batch_output { target_name: "scores" source_input: "ids" }

Source: Triton core, model_config_utils.cc, ValidateBatchIO.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.words import one_of

NAME = "batch-output"
SEVERITY = Severity.ERROR
NEEDS = "batch_output"


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    inputs = {entry.name for entry in model.config.input}
    outputs = {entry.name for entry in model.config.output}
    for index, entry in enumerate(model.config.batch_output):
        at = ("batch_output", index)
        if entry.kind != 0:
            yield Finding(
                message=f"the batch output kind {entry.kind} is unknown", at=(*at, "kind")
            )
        if len(entry.source_input) != 1:
            yield Finding(
                message=f"a batch output has one source_input, this one {len(entry.source_input)}",
                at=at,
                hint="write one batch_output for each source",
            )
        for number, source in enumerate(entry.source_input):
            if source not in inputs:
                yield Finding(
                    message=f"the batch output's source '{source}' is no input; "
                    f"there are {one_of(inputs)}",
                    at=(*at, "source_input", number),
                    hint="name an input of this model",
                    severity=Severity.WARNING if model.may_add("input") else None,
                )
        for number, target in enumerate(entry.target_name):
            twice = target in entry.target_name[:number]
            if target not in outputs or twice:
                what = "stands twice" if twice else "is no output"
                yield Finding(
                    message=f"the batch output's target '{target}' {what}; "
                    f"there are {one_of(outputs)}",
                    at=(*at, "target_name", number),
                    hint="name each output of this model at most once",
                    severity=None if twice or not model.may_add("output") else Severity.WARNING,
                )
