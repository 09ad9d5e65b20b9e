"""What a plan does without a server: contexts with copies from and to pinned memory, side by side.

Nothing of the server's executor is used but the deserialized engine: it is what that is measured
against.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
from trtserve.backends.tensorrt.buffers import size_of
from trtserve.backends.tensorrt.engine import Engine, open_engine

from trtbuild.cuda import Cuda, DeviceMemory, Event, PinnedMemory, Stream, lasting_context
from trtbuild.device import gpus
from trtbuild.plan.runtimes import installed_runtimes


class _Context:
    """One context on a stream of its own, with buffers for batches of one size."""

    def __init__(self, engine: Engine, cuda: Cuda, batch: int) -> None:
        self.stream, self.event = Stream(cuda), Event(cuda)
        self._cuda = cuda
        self._context = engine.new_context(final_kernels=False)
        self._context.set_optimization_profile_async(0, self.stream.handle)
        self.stream.synchronize()
        self._copies: list[tuple[bool, DeviceMemory, PinnedMemory]] = []
        signature = engine.signature
        for tensor in (*signature.inputs, *signature.outputs):
            is_input = tensor in signature.inputs
            shape = (batch, *tensor.shape[1:])
            if is_input:
                self._context.set_input_shape(tensor.name, shape)
            size = size_of(tensor, shape)
            there, here = DeviceMemory(cuda, size), PinnedMemory(cuda, size)
            here.array[:] = np.uint8(0)
            self._context.set_tensor_address(tensor.name, there.address)
            self._copies.append((is_input, there, here))

    def run(self) -> None:
        for is_input, there, here in self._copies:
            if is_input:
                self.stream.upload(there.address, here.array)
        self._context.execute_async_v3(self.stream.handle)
        for is_input, there, here in self._copies:
            if not is_input:
                self.stream.download(here.array, there.address)
        self.event.wait_for(self.stream)

    def free(self) -> None:
        del self._context
        for _, there, here in self._copies:
            there.free()
            here.free()
        self.event.free()
        self.stream.free()


def bare_per_s(plan: Path, batch: int, seconds: float) -> tuple[float, int]:
    """(rows a second, contexts) of the best of 1 to 3 contexts."""
    cuda = lasting_context(0)
    runtime = next(each for each in installed_runtimes(gpus()) if each.name == "tensorrt")
    engine = open_engine(runtime, plan, "cuda:0")
    return max((_per_s(engine, cuda, batch, count, seconds), count) for count in (1, 2, 3))


def _per_s(engine: Engine, cuda: Cuda, batch: int, count: int, seconds: float) -> float:
    contexts = [_Context(engine, cuda, batch) for _ in range(count)]
    runs = [0] * count

    def work(number: int) -> None:
        cuda.use()
        contexts[number].run()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            contexts[number].run()
            runs[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for context in contexts:
        context.free()
    return sum(runs) * batch / seconds
