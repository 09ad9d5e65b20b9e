"""A backend name that looks misspelt.

What: `backend` is close to, or a platform name of, one of the backends Triton ships.
Why: the server looks for `libtriton_<backend>.so` and refuses the model when there is none.
Whether a backend of that name is installed cannot be seen from the repository.

Example:
    -- demo/config.pbtxt --
    backend: "onnxruntime_onnx"
    -- demo/1/ --

Instead:

    -- demo/config.pbtxt --
    backend: "mybackend"
    -- demo/1/ --

Source: Triton core, backend_manager.cc.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from trtbuild.modelconfig.complete import PLATFORM_BACKENDS
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote
from trtbuild.validate.model import Model

NAME = "misspelt-backend"
SEVERITY = Severity.WARNING
BACKENDS = (
    *("tensorrt", "tensorrt_rtx", "onnxruntime", "pytorch", "tensorflow", "openvino", "python"),
    *("dali", "fil", "identity", "repeat", "square", "vllm", "tensorrtllm"),
)
_ALIASES = {
    "onnx": "onnxruntime",
    "ort": "onnxruntime",
    "trt": "tensorrt",
    "torch": "pytorch",
    "libtorch": "pytorch",
    "tf": "tensorflow",
    "py": "python",
    "rtx": "tensorrt_rtx",
    **PLATFORM_BACKENDS,
}


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    backend = model.config.backend
    if not backend or backend in BACKENDS:
        return
    lower = backend.lower()
    near = (
        [_ALIASES[lower]]
        if lower in _ALIASES
        else difflib.get_close_matches(lower, BACKENDS, n=1, cutoff=0.8)
    )
    if near:
        yield Finding(
            message=f"no backend '{backend}' comes with Triton; did you mean '{near[0]}'?",
            at=("backend",),
            hint=f"write backend: {quote(near[0])}",
        )
