"""A TensorFlow model, whose backend newer Triton releases no longer carry.

What: the backend is `tensorflow`.
Why: Triton's containers up to 25.02 carry the TensorFlow backend. It is deprecated as of 25.03 and
no longer in them: there the load fails with "unable to find backend library".

Example:
    -- demo/config.pbtxt --
    platform: "tensorflow_savedmodel"
    -- demo/1/model.savedmodel/saved_model.pb --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: triton-inference-server/server, pull requests 8068 ("As of 25.03 TensorFlow backend is
deprecated", 2025-03-13) and 8354 (what was left in the documentation, 2025-08); core,
backend_manager.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "tensorflow-dropped"
SEVERITY = Severity.WARNING
SINCE = "25.03"
RELEASES = "With --triton 25.03 and newer it is an error, without --triton a warning"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.backend == "tensorflow" and model.settings.server == "triton":
        yield Finding(
            message="Triton's containers since 25.03 come without the TensorFlow backend",
            at=("platform",) if model.config.platform else ("backend",),
            hint="`trtbuild convert` makes TensorRT plans and an ONNX model of it",
            severity=Severity.ERROR if model.settings.runs_from(SINCE) else None,
        )
