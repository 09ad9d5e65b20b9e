"""An input or output without a data type.

What: `data_type` is left out or `TYPE_INVALID`.
Why: Triton refuses the model, "must specify 'data_type'", unless the backend fills it in from
the model file. TensorRT's does for each tensor; ONNX Runtime's only where the config lists no
inputs or no outputs at all; PyTorch's never. With `--strict-config` nothing is filled in. A backend
of one's own may fill in everything: a warning.

Example:
    backend: "python"
    input { name: "image" dims: [4] }

Instead:

    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }

Source: Triton core, model_config_utils.cc, ValidateIOShape.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import if_left_out, tensors

NAME = "tensor-without-data-type"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor; info where the backend will fill it in."""
    for tensor in tensors(model):
        if tensor.entry.data_type == 0:
            yield Finding(
                message=f"{tensor} has no data_type",
                at=tensor.written_at(model, "data_type"),
                hint="write for example data_type: TYPE_FP32",
                severity=if_left_out(model),
            )
