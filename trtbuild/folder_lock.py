"""Locks on folders: shared by those who work with what is in them, exclusive to take it away.

They end with the process that has them, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def shared(folder: Path, *, wait: bool = False) -> int | None:
    """A descriptor that holds `folder` until it is closed; None where it is not there.

    Nor where it is being taken away; `wait` until that is over. A file system without such locks
    gives one that holds nothing: there `alone` takes nothing away either.
    """
    descriptor = _opened(folder)
    if descriptor is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        return descriptor
    if not _is_there(folder, descriptor):
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else holds `folder`, nor can while the block runs."""
    descriptor = _opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield _is_there(folder, descriptor)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


def _is_there(folder: Path, descriptor: int) -> bool:
    """Whether the folder that was opened is still the one of that name."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except OSError:
        return False
