"""A plan without its weights.

What: by the lock of a version that is served, a plan was built with `--strip-weights`, and has not
been given its weights since.
Why: TensorRT loads and runs it without a word, and so does Triton: its answers are nonsense.
`trtbuild serve` refuses it.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = tensorrt plan 10.6.0.26 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 stripped --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = tensorrt plan 10.6.0.26 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 --

Source: trtbuild serve, trtserve/plans.py; TensorRT 10.6 on an H200, which runs such a plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.foreign import path_inside
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "stripped-plan"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a plan and version."""
    if not is_plan_model(model):
        return
    for version, folder in model.version_folders.items():
        lock = lock_of(folder)
        for plan in () if lock is None else lock.plans:
            if plan.stripped and folder.has_file(plan.file):
                yield Finding(
                    message=f"the plan '{plan.file}' of version {version} has no weights",
                    file=path_inside(folder.path, plan.file, folder.fence),
                    hint="give it those of model.onnx, on a GPU that it is for: trtbuild refit "
                    f"{model.path.parent}",
                )
