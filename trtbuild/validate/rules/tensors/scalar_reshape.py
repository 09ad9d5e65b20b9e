"""A scalar in a model that does not batch.

What: `reshape { shape: [] }` with `max_batch_size` 0.
Why: Triton refuses the model: "scalar tensors are not supported" for non-batching models.

Example:
    backend: "python"
    input { name: "temperature" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }

Instead:

    backend: "python"
    max_batch_size: 1
    input { name: "temperature" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }

Source: Triton core, model_config_utils.cc, ValidateIOShape.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import is_scalar_without_batching
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "scalar-without-batching"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor; a warning where auto-complete may raise `max_batch_size`."""
    for tensor in tensors(model):
        if is_scalar_without_batching(model.config, tensor.entry):
            yield Finding(
                message=f"{tensor} is reshaped to a scalar, and the model does not batch",
                at=tensor.at("reshape"),
                hint="let the model take a shape of [1], or set max_batch_size",
                severity=Severity.WARNING if model.fills_tensors else None,
            )
