"""Files that are read whole: only regular ones, and only up to a size."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def content_of(path: Path, most: int) -> bytes | None:
    """The bytes of the file at `path`; None for one of over `most` bytes and for what is no file.

    Raises `OSError` where it cannot be opened.
    """
    # Not blocking, as opening a fifo without a writer would for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return None
        with open(descriptor, "rb", closefd=False) as file:  # a descriptor
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    return content if len(content) <= most else None
