"""Something in the model's folder that cannot be read.

What: a folder that cannot be listed, a broken or circular link, a socket, a fifo or a device.
Why: the server skips it or fails on it, and copying the repository does not bring it along.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/labels.txt -> nowhere --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, filesystem/implementations/local.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.directory import Directory
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unreadable-entry"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding an entry of the model's folder and of the versions that are loaded."""
    if model.directory is None:
        return
    for folder in (model.directory, *model.version_folders.values()):
        yield from _entries(folder)


def _entries(folder: Directory) -> Iterator[Finding]:
    if folder.problem:
        yield Finding(
            message=f"{folder.path.name}/ cannot be listed: {folder.problem}",
            file=folder.path,
            hint="give the server the right to read it",
            severity=Severity.ERROR,
        )
    for name in sorted(folder.others):
        path = folder.path / name
        what = "a link to nothing" if path.is_symlink() else "neither a file nor a folder"
        yield Finding(
            message=f"{name} is {what}",
            file=path,
            hint="remove it, or put what it should be in its place",
        )
