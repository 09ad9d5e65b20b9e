"""A model is not as its locks say.

What: with `--require-lock`: a version has no `trtbuild.lock.json`, or the lock of another model or
version; a file has another digest than its lock says, is missing, or is in no lock; the config is
none that a lock of the model knows. No comment in a config allows it.
Why: the model is not what was built and verified, and the server was told to serve nothing else.

Example:
    # trtbuild: fixture --require-lock
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/trtbuild.lock.json = lock of model.py=old --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: trtbuild, repository/as_locked.py. Without `--require-lock` what differs is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.as_locked import HINT, departures
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "not-as-locked"
SEVERITY = Severity.ERROR
FIRM = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a departure."""
    if not model.settings.require_lock:
        return
    if model.directory is None:
        yield Finding(message="a config alone has no lock", hint="give the model's folder")
        return
    directory = model.directory
    for problem in departures(directory.path, model.versions, directory.fence):
        yield Finding(message=problem, file=directory.path, hint=HINT)
