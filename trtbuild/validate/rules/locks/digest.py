"""A locked file was changed, or is missing.

What: the size or SHA-256 of a file is not what `trtbuild.lock.json` says.
Why: the version is not what was built and verified: a copy was cut short, or someone replaced a
file.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    -- demo/1/trtbuild.lock.json = lock of weights.bin=old --
    -- demo/1/weights.bin --
    new

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

from trtbuild.artifacts import digest_of_files
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locks import lock_of
from trtbuild.validate.model import Model

NAME = "changed-file"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a file."""
    if model.settings.require_lock:
        return  # then it is an error, of a rule of its own
    for folder in model.version_folders.values():
        lock = lock_of(folder)
        for name, locked in sorted(lock.files.items()) if lock else ():
            path = folder.inside(name)
            if path is None:
                continue  # a link that leads out, which has a rule of its own
            if not path.is_file():
                problem = "is missing"
            elif path.stat().st_size != locked.size_bytes:
                problem = f"has {path.stat().st_size} bytes, not {locked.size_bytes}"
            elif model.settings.digests and digest_of_files(path) != locked.digest:
                problem = "has other content"
            else:
                continue
            yield Finding(
                message=f"{folder.path.name}/{name} {problem}: it is not what was locked",
                file=path,
                hint="copy it again, or convert the model again with --replace",
            )
