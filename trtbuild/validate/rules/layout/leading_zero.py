"""A version folder with a leading zero is ignored.

What: a folder such as `01`; the name `0` alone is a version.
Why: the server logs a warning and goes on without that version.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/02/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/2/model.py --

Source: Triton core, model_lifecycle.cc, VersionsToLoad; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "ignored-version-leading-zero"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a folder."""
    if model.directory is None:
        return
    for name in sorted(model.directory.folders):
        if len(name) > 1 and name.startswith("0") and name.isdecimal():
            yield Finding(
                message=f"the folder {name}/ is ignored: a version has no leading zeros",
                file=model.directory.path / name,
                hint=f"rename it to {int(name)}",
            )
