"""Auto-complete fills in what the config leaves out.

What: the config lists no inputs or no outputs, or there is no config, and the backend reads them
from the model file; or the backend was found by the file's name.
Why: it works, and what is served then depends on the model file and on the server's version and
options: with `--disable-auto-complete-config` the same model is refused or serves nothing.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --

Source: Triton core, backend_model.cc (UpdateModelConfig); the backends' auto-complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.completion import Completion
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "auto-completed"
SEVERITY = Severity.INFO


def check(model: Model) -> Iterator[Finding]:
    """At most one finding; none for a model without a version, which is not loaded."""
    config = model.config
    if model.directory is not None and not model.version_folders:
        return
    missing = [role for role in ("input", "output") if not getattr(config, role)]
    filled = [f"the {role}s" for role in missing] if model.completion == Completion.SURELY else []
    if model.completed.guessed and model.backend and not config.platform:
        filled.insert(0, f"the backend ('{model.backend}')")
    if filled:
        yield Finding(
            message=("" if model.exists else "there is no config.pbtxt: ")
            + f"auto-complete fills in {', '.join(filled)}",
            hint="write them down to have the same model everywhere",
        )
