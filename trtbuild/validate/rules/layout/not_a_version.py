"""A folder that is no version.

What: a folder in the model's folder whose name is no number and none of `warmup`,
`initial_state`, `configs`.
Why: the server logs a warning for it at every load. The first folder in the order of names
is also the one in which it looks for `model.onnx` and the like, when the config does not
name a backend.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/assets/vocabulary.txt --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/assets/vocabulary.txt --

Source: Triton core, model_lifecycle.cc, VersionsToLoad.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import RESERVED
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "not-a-version-folder"
SEVERITY = Severity.INFO


def check(model: Model) -> Iterator[Finding]:
    """One finding a folder; those with a leading zero have a rule of their own."""
    if model.directory is None:
        return
    for name in sorted(model.directory.folders):
        numbered = name in model.directory.versions or name.isdecimal()
        if not numbered and name not in RESERVED:
            yield Finding(
                message=f"the folder {name}/ is no version and is not loaded",
                file=model.directory.path / name,
                hint="move it into a version folder or beside the model",
            )
