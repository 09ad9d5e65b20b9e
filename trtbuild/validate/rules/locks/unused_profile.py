"""A plan has optimization profiles that no instance uses.

What: by the lock of a version that is served, its plans have several profiles, and no
`instance_group` names some of them. A group that names none uses profile 0.
Why: the model loads; requests that only those profiles take fail inside TensorRT.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
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

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of, profiles_in_use
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "unused-profile"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    if not is_plan_model(model):
        return
    used = profiles_in_use(model.config)
    for version, folder in model.version_folders.items():
        lock = lock_of(folder)
        count = len(lock.each_profile) if lock else 1
        unused = [str(index) for index in range(count) if index not in used]
        if not unused:
            continue
        named = ", ".join(f'"{index}"' for index in range(count))
        yield Finding(
            message=f"the plans of version {version} have {count} profiles, and no instance uses "
            f"{', '.join(unused)}",
            at=("instance_group", 0) if model.config.instance_group else (),
            hint=f"write profile: [ {named} ] in instance_group",
        )
