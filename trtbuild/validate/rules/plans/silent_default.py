"""Unknown GPUs load the default plan without a word.

What: beside plans for certain compute capabilities there is a default plan too.
Why: a GPU without a key loads it. That is wanted where it was built for all GPUs, and otherwise
an error inside TensorRT in place of a clear one.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, model_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import default_file, is_plan_model

NAME = "silent-default-plan"
SEVERITY = Severity.INFO
NEEDS = "cc_model_filenames"


def check(model: Model) -> Iterator[Finding]:
    """One finding a version; none where a key names the default file on purpose."""
    if not is_plan_model(model):
        return
    default = default_file(model)
    if default in model.config.cc_model_filenames.values():
        return
    for version, folder in model.version_folders.items():
        if folder.has_file(default):
            yield Finding(
                message=f"GPUs without a key load '{default}' of version {version}",
                at=("cc_model_filenames",),
                hint=f"remove {default} to have them refused by name",
            )
