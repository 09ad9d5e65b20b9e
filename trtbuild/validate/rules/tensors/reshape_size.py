"""A reshape that changes the number of elements.

What: `dims` and `reshape.shape` have different numbers of elements; where dims vary, of varying
dims, or of elements between two of them.
Why: Triton refuses the model: "has different size for dims and reshape".

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [2, 4, -1, 6] reshape { shape: [8, -1, 1, 5] } }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [2, 4, -1, 6] reshape { shape: [8, -1, 1, 6] } }

Source: Triton core, model_config_utils.cc, ValidateIOShape.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import reshape_problem
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "reshape-size"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    for tensor in tensors(model):
        entry = tensor.entry
        if not entry.HasField("reshape") or not entry.dims:
            continue
        problem = reshape_problem(entry.dims, entry.reshape.shape)
        if problem:
            yield Finding(
                message=f"{tensor}: dims {words.dims(entry.dims)} and reshape "
                f"{words.dims(entry.reshape.shape)} have {problem}",
                at=tensor.at("reshape"),
                hint="a reshape keeps the elements and their order",
            )
