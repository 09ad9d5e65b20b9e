"""A plan of the other TensorRT runtime.

What: a plan of TensorRT for RTX in a model of `tensorrt_plan`, or a data-centre plan in one of
the backend `tensorrt_rtx`.
Why: the two runtimes do not read each other's plans: the model is refused.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, model_state.cc (deserializeCudaEngine); the header by NVIDIA's trtexec.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.plan.header import PlanHeader
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import plan_files

NAME = "plan-of-other-runtime"
SEVERITY = Severity.ERROR
_RUNTIMES = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}


def check(model: Model) -> Iterator[Finding]:
    """One finding a file."""
    seen = set()
    for plan in plan_files(model):
        header, path = plan.header, plan.path
        wanted = _RUNTIMES[model.backend]
        if isinstance(header, PlanHeader) and header.runtime != wanted and path not in seen:
            seen.add(path)
            yield Finding(
                message=f"{plan.shown} is a {header.runtime} plan (version {header.version}), and "
                f"the backend '{model.backend}' reads {wanted} plans",
                at=("platform",) if model.config.platform else ("backend",),
                hint='write backend: "tensorrt_rtx" and serve it with `trtbuild serve`, or build '
                "the plans with `trtbuild convert --runtime tensorrt`"
                if header.runtime == "tensorrt-rtx"
                else 'write platform: "tensorrt_plan"',
            )
