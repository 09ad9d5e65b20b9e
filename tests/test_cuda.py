"""On the real driver where there is a GPU, else on a stand-in for it (see `cuda_driver.py`)."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from trtbuild.cuda import Cuda, DeviceMemory, Event, PinnedMemory, Stream
from trtbuild.errors import CudaError


def pinned(cuda: Cuda, values: np.ndarray) -> PinnedMemory:
    memory = PinnedMemory(cuda, values.nbytes)
    memory.array[:] = values.view(np.uint8)
    return memory


def test_memory_goes_to_the_gpu_within_it_and_back(cuda: Cuda) -> None:
    values = np.arange(1_000_000, dtype=np.float32)
    there, back = pinned(cuda, values), PinnedMemory(cuda, values.nbytes)
    one, two = DeviceMemory(cuda, values.nbytes), DeviceMemory(cuda, values.nbytes)
    stream, event = Stream(cuda), Event(cuda)
    stream.upload(one.address, there.array)
    stream.copy(two.address, one.address, values.nbytes)
    stream.download(back.array, two.address)
    event.wait_for(stream)
    np.testing.assert_array_equal(back.array.view(np.float32), values)
    for each in (there, back, one, two, stream, event):
        each.free()


def test_nothing_at_all_is_copied_too(cuda: Cuda) -> None:
    stream, memory, host = Stream(cuda), DeviceMemory(cuda, 0), PinnedMemory(cuda, 0)
    stream.upload(memory.address, host.array)
    stream.download(host.array, memory.address)
    stream.synchronize()
    assert host.array.shape == (0,)
    for each in (stream, memory, host):
        each.free()


def test_a_captured_graph_runs_again_with_what_lies_there_then(cuda: Cuda) -> None:
    values = np.arange(1000, dtype=np.uint8)
    there, back = pinned(cuda, values), PinnedMemory(cuda, values.nbytes)
    memory, stream = DeviceMemory(cuda, values.nbytes), Stream(cuda, urgency=1)
    back.array[:] = 0
    with stream.capture() as graph:
        stream.upload(memory.address, there.array)
        stream.download(back.array, memory.address)
    stream.synchronize()
    assert not back.array.any(), "captured work has run"
    for offset in (0, 7):
        there.array[:] = values + np.uint8(offset)
        stream.launch(graph)
        stream.synchronize()
        np.testing.assert_array_equal(back.array, values + np.uint8(offset))
    for each in (graph, there, back, memory, stream):
        each.free()


def test_a_capture_that_goes_wrong_leaves_the_stream_usable(cuda: Cuda) -> None:
    stream = Stream(cuda)
    with pytest.raises(ValueError, match="changed my mind"), stream.capture():
        raise ValueError("changed my mind")
    with pytest.raises(CudaError, match="cuStreamSynchronize answered 9"), stream.capture():
        stream.synchronize()
    values = np.arange(10, dtype=np.uint8)
    there, back, memory = pinned(cuda, values), PinnedMemory(cuda, 10), DeviceMemory(cuda, 10)
    stream.upload(memory.address, there.array)
    stream.download(back.array, memory.address)
    stream.synchronize()
    np.testing.assert_array_equal(back.array, values)
    for each in (there, back, memory, stream):
        each.free()


def test_a_thread_has_to_say_that_it_uses_the_gpu(cuda: Cuda) -> None:
    said: list[str] = []

    def work(use: bool) -> None:
        try:
            if use:
                cuda.use()
            cuda.synchronize()
            said.append("fine")
        except CudaError as error:
            said.append(error.message)

    for use in (False, True):
        thread = threading.Thread(target=work, args=(use,))
        thread.start()
        thread.join()
    assert said == ["cuCtxSynchronize answered 201 (invalid device context)", "fine"]
