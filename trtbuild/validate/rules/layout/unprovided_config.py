"""No config, and the backend may not make one.

What: the model has no `config.pbtxt`, and its backend is found by the part of the folder's
name after the dot (`demo.mybackend`). Of backends that are known to make none, as Triton's
`identity`, it is an error.
Why: a backend makes the whole configuration in its auto-complete, or Triton refuses the model:
"model configuration is not provided". DALI's and any of one's own may.

Example:
    -- demo.mybackend/1/ --

Instead:

    -- demo/config.pbtxt --
    backend: "mybackend"
    -- demo/1/ --

Source: Triton core, model.cc (Model::Init); tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.complete import DEFAULT_FILES, KNOWN_BACKENDS
from trtbuild.validate.completion import Completion
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "config-not-provided"
SEVERITY = Severity.INFO


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    own = model.backend and model.backend not in (*KNOWN_BACKENDS, *DEFAULT_FILES)
    if not own or model.exists or model.settings.strict_config:
        return
    none = model.completion == Completion.NOTHING
    yield Finding(
        message=f"there is no config.pbtxt, and the backend '{model.backend}' "
        + ("makes none" if none else "has to make one"),
        hint="write a config.pbtxt" + ("" if none else ", unless the backend does"),
        severity=Severity.ERROR if none else None,
    )
