"""A TensorRT-RTX model, which stock Triton has no backend for.

What: the backend is `tensorrt_rtx` and the repository is judged for Triton.
Why: plans of TensorRT for RTX do not load in Triton's TensorRT backend; no Triton release has a
backend `tensorrt_rtx`, so it refuses the model by name. `trtbuild serve` runs it: a repository that
is for it is judged with `--server trtbuild`, as `trtbuild convert` does at its end.

Example:
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    -- demo/1/model.plan --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, backend_manager.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "rtx-needs-trtbuild-serve"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.backend == "tensorrt_rtx" and model.settings.server == "triton":
        yield Finding(
            message="stock Triton has no backend 'tensorrt_rtx'; trtbuild serve has",
            at=("backend",),
            hint="to serve it with `trtbuild serve`, validate with --server trtbuild; to serve it "
            "with Triton, build its plans with `trtbuild convert --runtime tensorrt`",
        )
