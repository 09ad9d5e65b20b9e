"""The config file cannot be opened.

What: `config.pbtxt` is a folder, a fifo, a socket, a link to nothing, larger than any config, or
not readable.
Why: Triton refuses the model, or waits for a fifo for ever.

Example:
    -- demo/config.pbtxt/ --
    -- demo/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, filesystem/implementations/local.h, ReadTextFile.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unreadable-config"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    problem = model.problem
    if problem is not None and not isinstance(problem, ConfigSyntaxError):
        yield Finding(message=problem.message, hint=problem.hint)
