"""Platform and backend contradict each other.

What: `backend` is `tensorrt`, `onnxruntime`, `pytorch` or `tensorflow` and `platform` is not
one of that backend's; or the backend is `tensorflow` and nothing tells which kind of model.
Why: Triton refuses the model: "unexpected 'platform' and 'backend' pair".

Example:
    backend: "pytorch"
    platform: "libtorch"

Instead:

    -- demo/config.pbtxt --
    backend: "mybackend"
    platform: "anything"
    -- demo/1/ --

Source: Triton core, model_config_utils.cc, ValidateModelConfig; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.complete import PLATFORM_BACKENDS, contradict
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "platform-contradicts-backend"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    backend, platform = model.backend, model.platform
    if not contradict(backend, platform):
        return
    possible = [name for name, runs in PLATFORM_BACKENDS.items() if runs == backend]
    given = f"the platform '{platform}'" if platform else "no platform and no model file"
    yield Finding(
        message=f"the backend '{backend}' with {given}",
        at=("platform",) if model.config.platform else ("backend",),
        hint=f"leave one of the two out, or write platform: {' or '.join(possible)}",
    )
