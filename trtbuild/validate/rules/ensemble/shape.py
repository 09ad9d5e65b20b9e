"""Two models see one ensemble tensor with different dims.

What: the dims of a tensor differ between the ensemble, the step that writes it and the steps
that read it; -1 agrees with any size, and dims are compared with the batch dim in front too.
Of the ensemble's own tensors `reshape` counts in place of dims, of its members' only `dims`.
Why: Triton refuses the model: "inconsistent shape".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4, 1] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- member/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    -- member/1/model.py --

Instead:

    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [-1] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- member/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    -- member/1/model.py --

Source: Triton core, ensemble_utils.cc, ValidateTensorConsistency.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.ensemble.nodes import Use, clashes

NAME = "ensemble-shape"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding a use that differs from the first."""
    for tensor, first, later in clashes(model):
        a, b = first.port.dims, later.port.dims
        if a is None or b is None or _agree(a, b):
            continue
        if any(_agree(x, y) for x in _full(first) for y in _full(later)):
            continue
        yield Finding(
            message=f"the tensor '{tensor}' is {words.dims(a)} in '{first.model}' and "
            f"{words.dims(b)} in '{later.model}'",
            at=later.at,
            hint="state the same dims; a reshape counts only in the ensemble's own tensors",
        )


def _full(use: Use) -> list[tuple[int, ...]]:
    """The dims with the batch dim; both ways where nobody knows whether there is one."""
    dims = use.port.dims or ()
    return [(-1, *dims)] * (use.batches is not False) + [dims] * (use.batches is not True)


def _agree(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))
