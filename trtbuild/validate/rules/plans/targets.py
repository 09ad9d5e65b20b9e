"""A plan stands under a compute capability that it was not built for.

What: by the plan's header or the lock beside it, its targets do not include the key of
`cc_model_filenames` under which it stands.
Why: GPUs of that capability refuse it.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    cc_model_filenames { key: "8.9" value: "a.plan" }
    -- demo/1/a.plan = rtx plan 1.7.1.116 for 8.0 8.6 --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    cc_model_filenames { key: "8.6" value: "a.plan" }
    -- demo/1/a.plan = rtx plan 1.7.1.116 for 8.0 8.6 --

Source: TensorRT for RTX plan header; trtbuild.lock.json.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.capability import KNOWN, Capability
from trtbuild.plan.header import PlanHeader
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import PlanFile, how_to_build, plan_files
from trtbuild.validate.words import one_of

NAME = "plan-targets"
SEVERITY = Severity.WARNING
NEEDS = "cc_model_filenames"


def check(model: Model) -> Iterator[Finding]:
    """One finding a key and version."""
    for plan in plan_files(model):
        targets = _targets(plan)
        if plan.key and targets is not None and plan.key not in map(str, targets):
            yield Finding(
                message=f"{plan.shown} was built for {one_of(map(str, targets))}, not for "
                f"{plan.key}",
                at=("cc_model_filenames", plan.key),
                hint=f"name the plan for {plan.key}, or {_hint(model, plan.key)}",
            )


def _hint(model: Model, key: str) -> str:
    capability = next((known for known in KNOWN if str(known) == key), None)
    return "write a key that a GPU has" if capability is None else how_to_build(model, capability)


def _targets(plan: PlanFile) -> tuple[Capability, ...] | None:
    """What the lock says, else what the header hints; None where neither tells."""
    lock = lock_of(plan.folder)
    for locked in lock.plans if lock else ():
        if locked.file == plan.file:
            return locked.targets
    header = plan.header
    if isinstance(header, PlanHeader) and not header.any_later:
        return header.targets
    return None
