"""A GPU through the CUDA driver itself: memory, streams, copies, events, captured graphs.

A thread that waits for the GPU has released the GIL (`cuda_driver` says which calls do). TensorRT
and ONNX Runtime use the same primary context through CUDA's runtime API, so streams and addresses
made here are theirs as well.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_int, c_size_t, c_uint64, c_void_p
from types import TracebackType
from typing import Any

import numpy as np

from trtbuild.cuda_driver import CONTEXT_LOST, driver_of
from trtbuild.errors import CudaError

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

LIBRARY = "libcuda.so.1"
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: no waiting for the legacy default stream
_CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE: what other threads do does not end a capture
# Memory that is not pinned is copied before the call returns: more than this takes its time.
_QUICK_BYTES = 64 * 1024
_EVENT_NO_TIMING, _EVENT_BLOCKING_SYNC = 2, 1  # CUevent_flags


class Cuda:
    """The primary context of one GPU, current on the thread that made it; `use` for others.

    What it makes (memory, streams, events, graphs) is freed by its owner's `free`, on a thread
    that uses this context. Raises `CudaError`, as all here do.
    """

    def __init__(self, device: int = 0) -> None:
        self.device = device
        driver = driver_of(LIBRARY)
        self.call, self.quick, self.query = driver.call, driver.quick, driver.query
        self.prepared = driver.prepared
        self._number, self._context = c_int(), c_void_p()
        self.call("cuDeviceGet", ctypes.byref(self._number), device)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._number)
        self.use()

    def use(self) -> None:
        """Make this GPU the calling thread's."""
        self.quick("cuCtxSetCurrent", self._context)

    def synchronize(self) -> None:
        """Wait for all work of the GPU's context; its errors are raised here."""
        self.call("cuCtxSynchronize")

    def memory(self) -> tuple[int, int]:
        """Bytes of the GPU's memory that are free now, and all of them."""
        self.use()
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def fault(self) -> CudaError | None:
        """What has ended this context, such as a kernel that wrote out of bounds; None: nothing.

        Waits for the work that is under way.
        """
        try:
            self.use()
            self.synchronize()
        except CudaError as error:
            return error if error.code in CONTEXT_LOST else None
        return None

    def close(self) -> None:
        """Let go of the context. Whoever else holds it, as TensorRT does, keeps it alive."""
        self.call("cuDevicePrimaryCtxRelease_v2", self._number)

    def __enter__(self) -> Cuda:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@functools.cache
def lasting_context(device: int) -> Cuda:
    """The context of a GPU for the rest of the process: for what outlives its maker.

    A server's models come and go, and their answers' memory comes back after they have gone.
    """
    return Cuda(device)


class DeviceMemory:
    """`size_bytes` of a GPU's memory at `address`."""

    def __init__(self, cuda: Cuda, size_bytes: int) -> None:
        self._cuda = cuda
        self.size_bytes = size_bytes
        address = c_uint64()
        cuda.call("cuMemAlloc_v2", ctypes.byref(address), max(1, size_bytes))
        self.address: int = address.value

    def free(self) -> None:
        """Give it back; waits until the GPU is done with it."""
        self._cuda.call("cuMemFree_v2", self.address)


class PinnedMemory:
    """Host memory that the GPU copies from and to by itself; `array` is its bytes, uint8 [N]."""

    def __init__(self, cuda: Cuda, size_bytes: int) -> None:
        self._cuda = cuda
        self._address = c_void_p()
        size = max(1, size_bytes)
        cuda.call("cuMemHostAlloc", ctypes.byref(self._address), size, 0)
        memory = (ctypes.c_uint8 * size).from_address(self._address.value or 0)
        self.array: Bytes = np.frombuffer(memoryview(memory), np.uint8)[:size_bytes]

    def free(self) -> None:
        """Give it back, on any thread; `array` and its views must not be touched any more."""
        del self.array
        self._cuda.use()
        self._cuda.call("cuMemFreeHost", self._address)


class Stream:
    """Work that a GPU does in order; `handle` is what TensorRT takes."""

    def __init__(self, cuda: Cuda, *, urgency: int = 0) -> None:
        """`urgency` above 0: the highest priority there is; below 0: the lowest."""
        self._cuda = cuda
        self._stream = c_void_p()
        low, high = c_int(), c_int()
        cuda.call("cuCtxGetStreamPriorityRange", ctypes.byref(low), ctypes.byref(high))
        priority = high.value if urgency > 0 else low.value if urgency < 0 else 0
        cuda.call("cuStreamCreateWithPriority", ctypes.byref(self._stream), _NON_BLOCKING, priority)

    @property
    def handle(self) -> int:
        """The CUstream, which is a cudaStream_t as well."""
        return self._stream.value or 0

    def upload(self, address: int, array: Bytes) -> None:
        """Begin to copy contiguous bytes to the GPU; they must stay as they are until then."""
        if array.nbytes:
            call = self._cuda.quick if array.nbytes <= _QUICK_BYTES else self._cuda.call
            call("cuMemcpyHtoDAsync_v2", address, array.ctypes.data, array.nbytes, self._stream)

    def download(self, array: Bytes, address: int) -> None:
        """Begin to fill contiguous bytes from the GPU."""
        if array.nbytes:
            call = self._cuda.quick if array.nbytes <= _QUICK_BYTES else self._cuda.call
            call("cuMemcpyDtoHAsync_v2", array.ctypes.data, address, array.nbytes, self._stream)

    def copy(self, target: int, source: int, size_bytes: int) -> None:
        """Begin to copy within the GPU, from address to address."""
        self._cuda.quick("cuMemcpyDtoDAsync_v2", target, source, size_bytes, self._stream)

    def prepared_upload(self, address: int, array: Bytes) -> Callable[[], None]:
        """`upload` as a call to make again and again, of up to 64 KiB of pinned memory."""
        return self._cuda.prepared(
            "cuMemcpyHtoDAsync_v2", c_uint64(address), c_void_p(array.ctypes.data),
            c_size_t(array.nbytes), self._stream,
        )  # fmt: skip

    def prepared_download(self, array: Bytes, address: int) -> Callable[[], None]:
        """`download` as a call to make again and again, of up to 64 KiB into pinned memory."""
        return self._cuda.prepared(
            "cuMemcpyDtoHAsync_v2", c_void_p(array.ctypes.data), c_uint64(address),
            c_size_t(array.nbytes), self._stream,
        )  # fmt: skip

    def wait(self, event: Event) -> None:
        """What is begun from here on begins after the point where `event` was last recorded."""
        self._cuda.quick("cuStreamWaitEvent", self._stream, event.handle, 0)

    def synchronize(self) -> None:
        """Wait for all that was begun; errors of that work are raised here."""
        self._cuda.call("cuStreamSynchronize", self._stream)

    @contextmanager
    def capture(self) -> Iterator[Graph]:
        """What is begun within is recorded instead of run; the graph can run it, again and again.

        The graph is ready when the block has ended. Allocations are forbidden in between.
        """
        graph = Graph(self._cuda)
        self._cuda.call("cuStreamBeginCapture_v2", self._stream, _CAPTURE_THREAD_LOCAL)
        try:
            yield graph
        except BaseException:
            graph.abandon(self._stream)
            raise
        graph.finish(self._stream)

    def launch(self, graph: Graph) -> None:
        """Begin all that was captured."""
        self._cuda.quick("cuGraphLaunch", graph.executable, self._stream)

    def prepared_launch(self, graph: Graph) -> Callable[[], None]:
        """`launch` as a call to make again and again."""
        return self._cuda.prepared("cuGraphLaunch", graph.executable, self._stream)

    def free(self) -> None:
        """Destroy it; work under way is finished first."""
        self._cuda.call("cuStreamDestroy_v2", self._stream)


class Graph:
    """What a stream captured. Made by `Stream.capture`, run by `Stream.launch`."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self.executable = c_void_p()

    def finish(self, stream: c_void_p) -> None:
        """End the capture and make it executable."""
        graph = c_void_p()
        self._cuda.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            self._cuda.call("cuGraphInstantiateWithFlags", ctypes.byref(self.executable), graph, 0)
        finally:
            self._cuda.call("cuGraphDestroy", graph)

    def abandon(self, stream: c_void_p) -> None:
        """End a capture that went wrong, so that the stream can be used again."""
        graph = c_void_p()
        try:
            self._cuda.call("cuStreamEndCapture", stream, ctypes.byref(graph))
            if graph.value:
                self._cuda.call("cuGraphDestroy", graph)
        except CudaError:
            return  # a capture that was invalidated has ended with this very error

    def free(self) -> None:
        """Destroy it."""
        self._cuda.call("cuGraphExecDestroy", self.executable)


class Event:
    """A point in a stream that a thread can wait for, asleep unless `spin`."""

    def __init__(self, cuda: Cuda, *, spin: bool = False) -> None:
        self._cuda = cuda
        self._event = c_void_p()
        flags = _EVENT_NO_TIMING | (0 if spin else _EVENT_BLOCKING_SYNC)
        cuda.call("cuEventCreate", ctypes.byref(self._event), flags)

    @property
    def handle(self) -> c_void_p:
        """The CUevent."""
        return self._event

    def record(self, stream: Stream) -> None:
        """Be the point in `stream` behind all that was begun there by now."""
        self._cuda.quick("cuEventRecord", self._event, stream.handle)

    def prepared_record(self, stream: Stream) -> Callable[[], None]:
        """`record` as a call to make again and again."""
        return self._cuda.prepared("cuEventRecord", self._event, c_void_p(stream.handle))

    def wait(self) -> None:
        """Wait until that point is reached; errors of the work before it are raised here."""
        self._cuda.call("cuEventSynchronize", self._event)

    def passed(self) -> bool:
        """Whether that point is reached; errors of the work before it are raised here."""
        return self._cuda.query("cuEventQuery", self._event)

    def wait_for(self, stream: Stream) -> None:
        """Wait for all that was begun on `stream`; errors of that work are raised here."""
        self.record(stream)
        self.wait()

    def free(self) -> None:
        """Destroy it."""
        self._cuda.call("cuEventDestroy_v2", self._event)
