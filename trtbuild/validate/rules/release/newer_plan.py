"""A plan of a TensorRT that is newer than this release of Triton.

What: with `--triton`, a plan that a TensorRT built which came out after the release.
Why: TensorRT reads no plans of newer versions: "expecting library version X got Y". Whether a plan
of an older one is read depends on the image; plans that are not version compatible are read by the
very version that built them alone.

Example:
    # trtbuild: fixture --triton 24.10
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Instead:

    # trtbuild: fixture --triton 25.03
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT, CHANGELOG.md of its repository, for the months; TensorRT backend, model_state.cc
(deserializeCudaEngine).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.plan.header import PlanHeader
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import plan_files

NAME = "plan-newer-than-the-server"
SEVERITY = Severity.ERROR
RELEASES = "Only with --triton"
# The month in which each version came out: no container of an earlier one has it.
_MONTHS = {
    (10, 0): "24.03",
    (10, 1): "24.06",
    (10, 2): "24.07",
    (10, 3): "24.08",
    (10, 4): "24.09",
    (10, 5): "24.09",
    (10, 6): "24.11",
    (10, 7): "24.12",
    (10, 8): "25.01",
    (10, 9): "25.03",
    (10, 10): "25.04",
    (10, 11): "25.05",
    (10, 12): "25.06",
    (10, 13): "25.07",
    (10, 14): "25.11",
    (10, 15): "26.02",
    (10, 16): "26.03",
    (11, 0): "26.06",
    (11, 1): "26.06",
}


def check(model: Model) -> Iterator[Finding]:
    """One finding a file."""
    settings = model.settings
    if settings.triton is None:
        return
    seen = set()
    for plan in plan_files(model):
        header, path = plan.header, plan.path
        if not isinstance(header, PlanHeader) or header.runtime != "tensorrt" or path in seen:
            continue
        seen.add(path)
        major, minor, *_ = (int(part) for part in header.version.split("."))
        month = _MONTHS.get((major, minor), "")
        if month and settings.runs_before(month):
            yield Finding(
                message=f"{plan.shown} is a plan of TensorRT {header.version}, which came out in "
                f"{month}: {settings.triton} has an older one",
                file=path,
                hint=f"build it with that server's TensorRT, or run {month} or newer",
            )
