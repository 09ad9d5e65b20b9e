"""A GPU whose memory is taken. Only for tests that run alone: what runs beside them fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trtbuild.cuda import DeviceMemory, lasting_context
from trtbuild.errors import CudaError

MIB = 1 << 20


@contextlib.contextmanager
def full_gpu() -> Iterator[None]:
    """All of the GPU's memory is taken, but for less than 64 MiB."""
    cuda = lasting_context(0)
    held, size = [], 8 << 30
    while size >= 64 * MIB:
        try:
            held.append(DeviceMemory(cuda, size))
        except CudaError:
            size //= 2
    try:
        yield
    finally:
        for each in held:
            each.free()
