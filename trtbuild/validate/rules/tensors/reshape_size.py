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

from collections.abc import Iterator, Sequence

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
        problem = _problem(entry.dims, entry.reshape.shape)
        if problem:
            yield Finding(
                message=f"{tensor}: dims {words.dims(entry.dims)} and reshape "
                f"{words.dims(entry.reshape.shape)} {problem}",
                at=tensor.at("reshape"),
                hint="a reshape keeps the elements and their order",
            )


def _problem(dims: Sequence[int], shape: Sequence[int]) -> str:
    if not shape:
        return "" if words.elements(dims) == 1 else "have different numbers of elements"
    before, after = _segments(dims), _segments(shape)
    # Triton compares totals first where one of the two is fixed; that is the same question.
    if len(before) != len(after):
        return "have different numbers of varying dims"
    return "" if before == after else "have different numbers of elements"


def _segments(dims: Sequence[int]) -> list[int]:
    """The products of the dims between those that vary."""
    products = [1]
    for dim in dims:
        if dim == -1:
            products.append(1)
        else:
            products[-1] *= dim
    return products
