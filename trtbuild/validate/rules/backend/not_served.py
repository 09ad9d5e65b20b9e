"""A backend that `trtbuild serve` does not have.

What: the repository is judged with `--server trtbuild`, and the model's backend is none of its
own: `onnxruntime`, `python`, `tensorrt`, `tensorrt_rtx`.
Why: `trtbuild serve` refuses the model.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "dali"
    -- demo/1/model.dali --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: trtbuild serve, trtserve/backends/base.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.words import one_of

NAME = "backend-not-served"
SEVERITY = Severity.ERROR
SERVED = ("onnxruntime", "python", "tensorrt", "tensorrt_rtx")
_CONVERTED = ("pytorch", "tensorflow")


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.settings.server == "trtbuild" and model.backend and model.backend not in SERVED:
        yield Finding(
            message=f"trtbuild serve has no backend '{model.backend}'; it has {one_of(SERVED)}",
            at=("backend",) if model.config.backend else ("platform",),
            hint="`trtbuild convert` makes plans and an ONNX model of it"
            if model.backend in _CONVERTED
            else "serve it with Triton",
        )
