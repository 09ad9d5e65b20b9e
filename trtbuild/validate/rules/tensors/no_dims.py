"""An input or output without dims.

What: `dims` is left out or empty.
Why: Triton refuses the model, "must specify 'dims'", unless the backend fills them in (see the
rule about data types). There is no empty shape in `dims`: a scalar is written `dims: [1]` with
`reshape { shape: [] }` and needs a `max_batch_size` of at least 1.

Example:
    backend: "python"
    max_batch_size: 8
    input { name: "temperature" data_type: TYPE_FP32 dims: [] }

Instead:

    backend: "python"
    max_batch_size: 8
    input { name: "temperature" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }

Source: Triton core, model_config_utils.cc, ValidateIOShape.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Fix, Severity
from trtbuild.validate.fixes import replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import Tensor, if_left_out, tensors

NAME = "tensor-without-dims"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor; info where the backend will fill it in."""
    for tensor in tensors(model):
        if not tensor.entry.dims:
            yield Finding(
                message=f"{tensor} has no dims",
                at=tensor.written_at(model, "dims"),
                hint="write dims: without the batch dim; a scalar is dims: [1] and "
                "reshape { shape: [] }",
                severity=if_left_out(model),
                fix=_scalar(model, tensor),
            )


def _scalar(model: Model, tensor: Tensor) -> Fix:
    """`dims: []` that someone wrote means a scalar; without dims nobody knows."""
    if model.config.max_batch_size < 1 or tensor.entry.HasField("reshape"):
        return ()
    return replace_value(model, tensor.at("dims"), "[1] reshape { shape: [] }")
