"""A TensorRT model on something other than a GPU.

What: an instance group of `KIND_CPU`, or of `KIND_MODEL` without the parameter
`enable_multi_device`, for the backend `tensorrt`.
Why: TensorRT's backend refuses the model: "TensorRT backend supports only GPU device". Multi-device
models are new: older releases refuse `KIND_MODEL` always.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    instance_group { kind: KIND_CPU }
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    instance_group { count: 2 }
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, instance_state.cc (ModelInstanceState::Create).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "plan-not-on-gpu"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"
_CPU, _MODEL = 2, 3
_MANY_DEVICES = "enable_multi_device"


def check(model: Model) -> Iterator[Finding]:
    """One finding a group. `trtbuild serve` runs `model.onnx` on the CPU instead."""
    if model.backend != "tensorrt" or model.is_ensemble or model.settings.server != "triton":
        return
    for index, group in enumerate(model.config.instance_group):
        alone = group.kind == _MODEL and _MANY_DEVICES not in model.config.parameters
        if group.kind == _CPU or alone:
            yield Finding(
                message="TensorRT runs on GPUs only, and this instance group is of "
                + ("KIND_CPU" if group.kind == _CPU else f"KIND_MODEL without {_MANY_DEVICES}"),
                at=("instance_group", index, "kind"),
                hint="write kind: KIND_GPU, or leave kind out",
            )
