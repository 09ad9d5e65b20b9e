"""A batch input that Triton cannot make.

What: a `batch_input` of an unknown kind, with other than one `source_input`, with a data type
other than `TYPE_INT32` and `TYPE_FP32`, or whose source is no input of the model.
Why: Triton refuses the model. One without a `target_name` loads and goes nowhere: a warning.

Example:
    backend: "python"
    input { name: "ids" data_type: TYPE_INT32 dims: [-1] }
    batch_input {
      kind: BATCH_ELEMENT_COUNT target_name: "counts" data_type: TYPE_INT32 source_input: "tokens"
    }

Instead:

    backend: "python"
    input { name: "ids" data_type: TYPE_INT32 dims: [-1] }
    batch_input {
      kind: BATCH_ELEMENT_COUNT target_name: "counts" data_type: TYPE_INT32 source_input: "ids"
    }

Source: Triton core, model_config_utils.cc, ValidateBatchIO.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "batch-input"
SEVERITY = Severity.ERROR
NEEDS = "batch_input"
_KINDS = range(6)
BATCH_INPUT_TYPES = (words.data_type_number("TYPE_INT32"), words.data_type_number("TYPE_FP32"))


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    inputs = {entry.name for entry in model.config.input}
    for index, entry in enumerate(model.config.batch_input):
        at = ("batch_input", index)
        if entry.kind not in _KINDS:
            yield Finding(message=f"the batch input kind {entry.kind} is unknown", at=(*at, "kind"))
        if len(entry.source_input) != 1:
            yield Finding(
                message=f"a batch input has one source_input, this one {len(entry.source_input)}",
                at=at,
                hint="write one batch_input for each source",
            )
        if entry.data_type not in BATCH_INPUT_TYPES:
            yield Finding(
                message=f"a batch input is TYPE_INT32 or TYPE_FP32, "
                f"not {words.data_type(entry.data_type)}",
                at=(*at, "data_type") if entry.data_type else at,
                hint="write data_type: TYPE_INT32",
            )
        if not entry.target_name:
            yield Finding(
                message="the batch input has no target_name: nobody gets it",
                at=at,
                hint="write target_name, the model's input that takes it",
                severity=Severity.WARNING,
            )
        for number, source in enumerate(entry.source_input):
            if source not in inputs:
                yield Finding(
                    message=f"the batch input's source '{source}' is no input; "
                    f"there are {words.one_of(inputs)}",
                    at=(*at, "source_input", number),
                    hint="name an input of this model",
                    severity=Severity.WARNING if model.may_add("input") else None,
                )
