"""Files that are read whole: only regular ones, and only up to a size."""

from __future__ import annotations

import errno
from pathlib import Path

from trtbuild.foreign import read_file

_NOT_READ = (errno.EISDIR, errno.EINVAL, errno.EFBIG)


def content_of(path: Path, most: int) -> bytes | None:
    """The bytes of the file at `path`; None for one of over `most` bytes and for what is no file.

    Raises `OSError` where it cannot be opened.
    """
    try:
        return read_file(path, most)
    except OSError as error:
        if error.errno in _NOT_READ:
            return None
        raise
