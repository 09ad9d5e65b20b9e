"""A plan that is none, was cut off, or is too old.

What: the file of a plan has not the header that TensorRT writes, or fewer bytes than its header
says; or TensorRT 8 or older wrote it, whose plans no later one reads.
Why: TensorRT's backend refuses the model on the GPUs that load this file.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan --
    <html>404 not found</html>

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, model_state.cc (deserializeCudaEngine); the header by NVIDIA's trtexec.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.errors import PlanError
from trtbuild.plan.header import GIVE_A_PLAN
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import plan_files

NAME = "damaged-plan"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a file."""
    seen = set()
    for plan in plan_files(model):
        path = plan.path
        if isinstance(plan.header, PlanError) and path not in seen:
            seen.add(path)
            yield Finding(
                message=plan.header.message.replace(str(path), plan.shown),
                file=path,
                hint="copy or build it again"
                if plan.header.hint == GIVE_A_PLAN
                else plan.header.hint,
            )
