"""No plan at all.

What: a version of a TensorRT model has neither the default plan (`default_model_filename`, else
`model.plan`) nor any of the files of `cc_model_filenames`.
Why: TensorRT's backend refuses the model on every GPU.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    -- demo/1/engine.trt = tensorrt plan 10.9.0.34 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    default_model_filename: "engine.trt"
    -- demo/1/engine.trt = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, model_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import default_file, is_plan_model
from trtbuild.validate.words import one_of

NAME = "missing-plan"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version. `trtbuild serve` runs `model.onnx` where no plan is named for the GPU.

    One that a key names and that is not there is an error of the model on its GPU.
    """
    if not is_plan_model(model):
        return
    wanted = {default_file(model), *model.config.cc_model_filenames.values()}
    for version, folder in model.version_folders.items():
        fallback = (
            model.settings.server == "trtbuild"
            and folder.has_file("model.onnx")
            and not model.config.cc_model_filenames
        )
        if not fallback and not any(folder.has_file(file) for file in wanted):
            yield Finding(
                message=f"version {version} has none of {one_of(wanted)}; "
                f"it has {one_of(folder.files, 'no files')}",
                file=folder.path,
                hint="name the plan model.plan, or with default_model_filename or "
                "cc_model_filenames",
            )
