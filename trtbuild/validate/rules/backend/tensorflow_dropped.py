"""A TensorFlow model, whose backend newer Triton releases no longer carry.

What: the backend is `tensorflow`.
Why: Triton's TensorFlow backend is deprecated and its releases since 25.03 come without it: there
the load fails with "unable to find backend library".

Example:
    -- demo/config.pbtxt --
    platform: "tensorflow_savedmodel"
    -- demo/1/model.savedmodel/saved_model.pb --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton release notes, 25.03; Triton core, backend_manager.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "tensorflow-dropped"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.backend == "tensorflow":
        yield Finding(
            message="Triton's releases since 25.03 come without the TensorFlow backend",
            at=("platform",) if model.config.platform else ("backend",),
            hint="`trtbuild convert` makes TensorRT plans and an ONNX model of it",
        )
