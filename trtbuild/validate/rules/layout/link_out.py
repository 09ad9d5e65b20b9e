"""A link that leads out of the repository.

What: something in the model's folder, or in a version that is loaded, is a link to a place outside
of the repository. Links within it are followed.
Why: whoever adds a link decides which of this machine's files is read: in a repository of somebody
else's that may be any. Nothing behind such a link is judged, and `trtbuild serve` does not serve
it; with `--follow-links` both do, for a repository whose models are kept in a store elsewhere.
A stock Triton follows it.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/weights.bin -> /etc/passwd --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/weights.bin --
    0123

Source: trtbuild, foreign.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "link-out-of-repository"
SEVERITY = Severity.ERROR
FIRM = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a link."""
    if model.directory is None:
        return
    for folder in (model.directory, *model.version_folders.values()):
        for name in sorted(folder.links_out):
            path = folder.path / name
            yield Finding(
                message=f"{name} is a link that leads out of the repository, to "
                f"'{os.path.realpath(path)}'",
                file=path,
                hint="put the file itself there; where models are kept elsewhere on purpose, "
                "--follow-links follows such links",
            )
