"""No config, and auto-complete is off.

What: the model has no `config.pbtxt` and `--strict-config` is given.
Why: with `--disable-auto-complete-config` Triton reads nothing from the model file and
refuses the model: "failed to open text file".

Example:
    # trtbuild: fixture --strict-config
    -- demo/1/model.onnx --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, filesystem/implementations/local.h, ReadTextFile.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "no-config-when-strict"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if not model.exists and model.settings.strict_config:
        yield Finding(
            message="there is no config.pbtxt, and auto-complete is off",
            hint="write a config.pbtxt",
        )
