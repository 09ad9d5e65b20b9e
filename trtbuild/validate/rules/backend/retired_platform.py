"""A platform of the past.

What: `caffe2_netdef`, `custom`, `tensorrt_caffe` and other platforms of old Triton versions.
Why: no Triton of today loads them: "unexpected platform type".

Example:
    -- demo/config.pbtxt --
    platform: "caffe2_netdef"
    -- demo/1/model.netdef --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "retired-platform"
SEVERITY = Severity.ERROR
_WAY_OUT = {
    "caffe2_netdef": 'export the model to ONNX and write platform: "onnxruntime_onnx"',
    "custom": "custom backends are named by backend: since Triton 2; build libtriton_<name>.so",
    "onnxruntime": 'write platform: "onnxruntime_onnx", or backend: "onnxruntime"',
    "tensorrt": 'write platform: "tensorrt_plan", or backend: "tensorrt"',
    "pytorch": 'write platform: "pytorch_libtorch", or backend: "pytorch"',
    "netdef": 'export the model to ONNX and write platform: "onnxruntime_onnx"',
}


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    platform = model.config.platform
    if platform in _WAY_OUT and not model.backend:
        yield Finding(
            message=f"no Triton of today knows the platform '{platform}'",
            at=("platform",),
            hint=_WAY_OUT[platform],
        )
