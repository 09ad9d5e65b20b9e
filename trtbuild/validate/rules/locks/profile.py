"""`max_batch_size` is not what the plans were built for.

What: by the lock, the largest batch of the plans' profiles that instances use is below
`max_batch_size`, or the smallest is above 1, or the batch is one fixed size.
Why: the model loads; requests that make other batches fail inside TensorRT.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 16
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 --

Source: TensorRT backend, model_state.cc; server issues 4384, 4038 and 7056.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.artifacts import Profile
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of, profiles_in_use
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "batch-beyond-profile"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    size = model.config.max_batch_size
    if size < 1 or not is_plan_model(model):
        return
    for version, folder in model.version_folders.items():
        lock = lock_of(folder)
        used = enumerate(lock.each_profile if lock else ())
        batches = [_batches(each) for n, each in used if n in profiles_in_use(model.config)]
        known = [batch for batch in batches if batch is not None]
        if not known:
            continue
        smallest, largest = min(low for low, _ in known), max(high for _, high in known)
        if largest < size or smallest > 1:
            built = f"{smallest} to {largest}" if smallest < largest else f"{largest} alone"
            yield Finding(
                message=f"max_batch_size is {size}; the plans of version {version} take batches "
                f"of {built}",
                at=("max_batch_size",),
                hint=f"write max_batch_size: {largest}, or build with --max-batch {size}"
                if smallest == 1
                else "build plans whose smallest batch is 1",
            )


def _batches(profile: Profile) -> tuple[int, int] | None:
    """The smallest and largest first dim that all inputs have in a profile."""
    ranges = [r for r in profile.values() if r.min and r.max]
    return (max(r.min[0] for r in ranges), min(r.max[0] for r in ranges)) if ranges else None
