"""A hidden folder is taken as a model.

What: a folder of the repository whose name begins with a dot, such as `.git` or
`.ipynb_checkpoints`.
Why: every sub-folder of a repository is a model to the server. One without a config and a
model file makes the server's start fail.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- .hidden/config.pbtxt --
    backend: "python"
    -- .hidden/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, filesystem/implementations/local.h, GetDirectorySubdirs; tried on
Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "hidden-folder-as-model"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.directory is not None and model.name.startswith("."):
        yield Finding(
            message=f"the hidden folder {model.name}/ is loaded as a model",
            file=model.directory.path,
            hint="move it out of the repository",
        )
