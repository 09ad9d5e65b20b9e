"""Where tensors lie while a plan runs: memory of the GPU at lasting addresses, and its growth."""

from __future__ import annotations

import logging
import math
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

from trtbuild.cuda import Cuda, DeviceMemory
from trtbuild.errors import CudaError
from trtserve.backends.tensorrt.profiles import EngineTensor, Shape
from trtserve.tensors import NUMPY

_log = logging.getLogger("trtserve")


class _Freed(Protocol):
    def free(self) -> None: ...


_T = TypeVar("_T", bound=_Freed)


def owned(ends: ExitStack, what: _T) -> _T:
    """`what`, which is freed when `ends` is closed."""
    ends.callback(what.free)
    return what


def size_of(tensor: EngineTensor, shape: Shape) -> int:
    """Bytes of a tensor in this shape."""
    return math.prod(shape) * NUMPY[tensor.dtype].itemsize


class Buffer:
    """One tensor's memory on the GPU, as large as it ever had to be."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._memory = DeviceMemory(cuda, 0)

    @property
    def address(self) -> int:
        """Where it is now: `reserve` may move it."""
        return self._memory.address

    def reserve(self, size_bytes: int) -> None:
        """Make room; what lay there is lost when it moves. Raises `CudaError`."""
        if size_bytes > self._memory.size_bytes:
            # The new first: should there be none, the old one is still good for smaller batches.
            grown = DeviceMemory(self._cuda, size_bytes)
            self._memory.free()
            self._memory = grown

    def free(self) -> None:
        """Give the memory back."""
        self._memory.free()


class SizedByData:
    """What TensorRT tells of an output whose shape depends on the data."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.shape: Shape = ()


def output_allocator(trt: Any, output: SizedByData) -> Any:
    """An IOutputAllocator that asks for room in `output` and notes the shape there."""

    class Allocator(trt.IOutputAllocator):  # type: ignore[misc] # the module is loaded by name
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)

        def reallocate_output(self, name: str, _memory: int, size: int, _alignment: int) -> int:
            try:
                output.buffer.reserve(size)
            except CudaError as error:  # TensorRT reports what follows from 0
                _log.error("no room for output '%s': %s", name, error)
                return 0
            return output.buffer.address

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, _stream: int
        ) -> int:
            return self.reallocate_output(name, memory, size, alignment)

        def notify_shape(self, _name: str, shape: Any) -> None:
            output.shape = tuple(shape)

    return Allocator()
