"""A GPU of the fleet has no plan.

What: a compute capability given with `--gpu` is no key of `cc_model_filenames`, and there is no
default plan, or one that was built for other GPUs.
Why: on that GPU the model is refused, or loads a plan that was built for another one.

Example:
    # trtbuild: fixture --gpu 8.9
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

Instead:

    # trtbuild: fixture --gpu 8.6
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, model_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.errors import PlanError
from trtbuild.foreign import path_inside
from trtbuild.plan.header import PlanHeader, plan_header
from trtbuild.repository.layout import PORTABLE
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import (
    default_file,
    how_to_build,
    is_plan_model,
)
from trtbuild.validate.words import one_of

NAME = "gpu-without-plan"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a GPU and version."""
    if not is_plan_model(model):
        return
    keys = model.config.cc_model_filenames
    for gpu in model.settings.gpus:
        for version, folder in model.version_folders.items():
            if str(gpu) in keys:
                continue
            default = default_file(model)
            if not folder.has_file(default):
                problem = f"no plan for GPUs of {gpu}; it has plans for {one_of(keys)}"
            else:
                header = _header(path_inside(folder.path, default, folder.fence))
                if header is None or header.targets is None or header.any_later:
                    continue
                if gpu in header.targets:
                    continue
                built = one_of(map(str, header.targets))
                problem = f"GPUs of {gpu} load '{default}', which was built for {built}"
            if model.settings.server == "trtbuild" and folder.has_file(PORTABLE):
                problem += f"; {PORTABLE} runs there on ONNX Runtime"
            yield Finding(
                message=f"version {version}: {problem}",
                at=("cc_model_filenames",) if keys else (),
                hint=how_to_build(model, gpu),
            )


def _header(path: Path) -> PlanHeader | None:
    try:
        return plan_header(path)
    except PlanError:
        return None
