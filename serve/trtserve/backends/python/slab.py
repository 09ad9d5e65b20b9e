"""Anonymous shared memory: written by the process that made it, mapped by the one it is sent to.

A memfd has no name that anybody could learn and open, and it goes away with its last user. Its
size is sealed: a writer that shrinks it would kill the reader with SIGBUS.
"""

from __future__ import annotations

import fcntl
import mmap
import os

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Slab:
    """One piece of shared memory of a fixed size, mapped into this process."""

    def __init__(self, fd: int, size: int) -> None:
        self.size = size
        self._memory = mmap.mmap(fd, size)
        self.bytes = memoryview(self._memory)

    def window(self) -> Bytes:
        """All of it as a new array, which arrays made from it hold on to.

        So a weak reference to a window tells whether anything still looks through it.
        """
        return np.frombuffer(self._memory, np.uint8)

    def write(self, data: bytes) -> int:
        """Put `data` at the start; how many bytes that were."""
        self.bytes[: len(data)] = data
        return len(data)


def create(size: int) -> tuple[Slab, int]:
    """New memory of `size` bytes, and the file descriptor to send; the caller closes it."""
    fd = os.memfd_create("trtserve", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return Slab(fd, size), fd
    except BaseException:
        os.close(fd)
        raise


def attach(fd: int) -> Slab:
    """Map what the other process made, and close `fd`. Raises `ValueError` if it could shrink."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            raise ValueError("shared memory whose size is not sealed")
        return Slab(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)
