"""An input or output without a name.

What: an `input` or `output` entry has no `name`.
Why: Triton refuses the model: "model input must specify 'name'".

Example:
    backend: "python"
    input { data_type: TYPE_FP32 dims: [4] }

Instead:

    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }

Source: Triton core, model_config_utils.cc, ValidateModelInput and ValidateModelOutput.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "tensor-without-name"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    for tensor in tensors(model):
        if not tensor.entry.name:
            yield Finding(
                message=f"{tensor} has no name",
                at=tensor.written_at(model, "name"),
                hint="write name:",
            )
