"""Sequences of a model that AOTInductor compiled.

What: `sequence_batching` with `platform: "torch_aoti"`.
Why: PyTorch's backend refuses the model: "Sequence batching is not supported yet".

Example:
    -- demo/config.pbtxt --
    platform: "torch_aoti"
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    sequence_batching { direct {} }
    -- demo/1/model.pt2 = aoti(image) --

Instead:

    -- demo/config.pbtxt --
    platform: "torch_aoti"
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt2 = aoti(image) --

Source: PyTorch backend, src/pt2/model_instance_state.cc (ValidateInputs). Triton 2.51 has no such
platform.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "aoti-with-sequences"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.platform == "torch_aoti":
        yield Finding(
            message="sequence_batching of a model that AOTInductor compiled",
            at=("sequence_batching",),
            hint="serve it as TorchScript (model.pt), or take sequence_batching out",
        )
