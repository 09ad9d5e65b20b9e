"""A GPU whose memory is taken. Only for tests that run alone: what runs beside them fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trtbuild.cuda import DeviceMemory, lasting_context
from trtbuild.errors import CudaError

MIB = 1 << 20
OUT_OF_MEMORY = 2  # a CUresult


@contextlib.contextmanager
def full_gpu() -> Iterator[None]:
    """All of the GPU's memory is taken, but for less than 64 MiB."""
    cuda = lasting_context(0)
    cuda.use()  # it may have been made on another thread
    held, size = [], 8 << 30
    while size >= 64 * MIB:
        try:
            held.append(DeviceMemory(cuda, size))
        except CudaError as error:
            if error.code != OUT_OF_MEMORY:
                raise
            size //= 2
    assert cuda.memory()[0] < 128 * MIB
    try:
        yield
    finally:
        for each in held:
            each.free()
