"""An instance uses an optimization profile that the plan does not have.

What: by the lock of a version that is served, `instance_group.profile` names a profile from the
plans' number of profiles on.
Why: Triton refuses the model where the plan is loaded, and so does `trtbuild serve`.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    instance_group { profile: ["0", "1", "2"] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 ranges 2 --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    instance_group { profile: ["0", "1"] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 ranges 2 --

Source: TensorRT backend, instance_state.cc (InitOptimizationProfiles).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import leading_number
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "profile-beyond-plan"
SEVERITY = Severity.ERROR
NEEDS = "instance_group"


def check(model: Model) -> Iterator[Finding]:
    """One finding a profile and version."""
    if not is_plan_model(model):
        return
    for version, folder in model.version_folders.items():
        lock = lock_of(folder)
        if lock is None or not lock.plans:
            continue
        count = len(lock.each_profile)
        there = "profile 0 alone" if count == 1 else f"profiles 0 to {count - 1}"
        for index, group in enumerate(model.config.instance_group):
            for number, profile in enumerate(group.profile):
                value = leading_number(profile)
                if value is not None and value >= count:
                    yield Finding(
                        message=f"the profile '{profile}' is none of version {version}, whose "
                        f"plans have {there}",
                        at=("instance_group", index, "profile", number),
                        hint="take it out, or build the plans with one --profile more",
                    )
