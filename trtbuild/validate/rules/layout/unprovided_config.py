"""No config, and the backend does not make one.

What: the model has no `config.pbtxt`, and its backend is found by the part of the folder's
name after the dot (`demo.identity`).
Why: a backend of one's own gets no configuration from Triton's auto-complete: "model
configuration is not provided".

Example:
    -- demo.mybackend/1/ --

Instead:

    -- demo/config.pbtxt --
    backend: "mybackend"
    -- demo/1/ --

Source: Triton core, model_lifecycle.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.complete import DEFAULT_FILES, KNOWN_BACKENDS
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "config-not-provided"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    own = model.backend and model.backend not in (*KNOWN_BACKENDS, *DEFAULT_FILES)
    if own and not model.exists and not model.settings.strict_config:
        yield Finding(
            message=f"there is no config.pbtxt, and the backend '{model.backend}' makes none",
            file=model.path,
            hint="write a config.pbtxt",
        )
