"""The lock of a version cannot be read.

What: `trtbuild.lock.json` is no JSON of a lock, or of a newer format.
Why: the server does not need it; but nothing can be told of where the version came from, and its
files' digests are not checked.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/trtbuild.lock.json --
    { "format": 1

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: trtbuild, repository/lock.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.errors import RepositoryError
from trtbuild.repository.layout import LOCK
from trtbuild.repository.lock import LockNameError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import read
from trtbuild.validate.model import Model

NAME = "damaged-lock"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a version; a lock that names files outside has a rule of its own."""
    for folder in model.version_folders.values():
        found = read(folder.path) if LOCK in folder.files else None
        if isinstance(found, RepositoryError) and not isinstance(found, LockNameError):
            yield Finding(message=found.message, file=folder.path / LOCK, hint=found.hint)
