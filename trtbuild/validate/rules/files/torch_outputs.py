"""A PyTorch model without outputs in its config.

What: the backend is `pytorch`, and the config has no `output` (or no `input`).
Why: PyTorch's backend fills nothing in: it refuses a model without outputs, and requests name
inputs that are not there.

Example:
    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image) --

Instead:

    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image) --

Source: PyTorch backend, libtorch.cc (ValidateOutputs).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "torch-without-outputs"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.backend == "pytorch" and not model.config.output:
        yield Finding(
            message="a PyTorch model must declare its outputs; auto-complete does not",
            hint='write output { name: "OUTPUT__0" data_type: ... dims: ... }',
        )
