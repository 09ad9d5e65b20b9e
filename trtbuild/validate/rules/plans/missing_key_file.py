"""A plan that `cc_model_filenames` names is not there.

What: the file of a key is in none, or not in all, of the versions that are loaded.
Why: the model loads on other GPUs and is refused on this one.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames [
      { key: "8.6" value: "sm86.plan" },
      { key: "8.9" value: "sm89.plan" }
    ]
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

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
from trtbuild.validate.rules.plans.files import is_plan_model
from trtbuild.validate.words import one_of

NAME = "missing-plan-of-key"
SEVERITY = Severity.WARNING
NEEDS = "cc_model_filenames"


def check(model: Model) -> Iterator[Finding]:
    """One finding a key and version."""
    if not is_plan_model(model):
        return
    for key, file in sorted(model.config.cc_model_filenames.items()):
        for version, folder in model.version_folders.items():
            if not folder.has_file(file):
                yield Finding(
                    message=f"version {version} has no file '{file}' for GPUs of {key}; "
                    f"it has {one_of(folder.files, 'no files')}",
                    at=("cc_model_filenames", key, "value"),
                    hint="put the plan there, or take the key out",
                )
