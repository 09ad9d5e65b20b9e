"""Where temporary files lie: in a usual place, and where none can be written in another one."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from trtbuild.errors import StoreError

_log = logging.getLogger("trtbuild")


def usual() -> Path | None:
    """The folder that Python and what it starts use; None where no usual one can be written.

    That is $TMPDIR, /tmp and their like, and the working directory.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def choose(*others: Path | None) -> Path:
    """`usual`, or where there is none from now on the first of `others` that can be written.

    Of one that is not there the nearest folder around it. Says so where it is another one. Raises
    `StoreError` where there is none.
    """
    if (found := usual()) is not None:
        return found
    for other in others:
        for place in (other, *other.parents) if other is not None else ():
            if place.is_dir():
                break
        else:
            continue
        if can_write(place):
            tempfile.tempdir = str(place.absolute())
            _log.warning("no usual folder for temporary files can be written: '%s' is used", place)
            return place
    raise StoreError(
        "no folder for temporary files can be written: neither $TMPDIR nor /tmp nor this one",
        "set TMPDIR to one that can",
    )


def can_write(folder: Path) -> bool:
    """Whether a file can be made in `folder`: rights, room and kind of file system."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return file.write(b"x") == 1
    except OSError:
        return False
