"""A lock names what is no file of its folder.

What: `trtbuild.lock.json` has a name in it (of a plan, of the ONNX files, of a plugin, among its
files, or the model's own) that is a path, absolute or with `..`, or no name at all.
Why: trtbuild writes no such lock. Whoever wrote it wants files read or overwritten that are none
of the model's. No command of trtbuild believes such a lock.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/trtbuild.lock.json = lock of ../weights.bin=old --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/trtbuild.lock.json = lock of weights.bin=new --
    -- demo/1/weights.bin = bytes new --

Source: trtbuild, repository/lock.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.layout import LOCK
from trtbuild.repository.lock import LockNameError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import read
from trtbuild.validate.model import Model

NAME = "lock-names-outside"
SEVERITY = Severity.ERROR
FIRM = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    for folder in model.version_folders.values():
        found = read(folder.path) if LOCK in folder.files else None
        if isinstance(found, LockNameError):
            yield Finding(message=found.message, file=folder.path / LOCK, hint=found.hint)
