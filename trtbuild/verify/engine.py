"""A plan on its GPU, deserialized: what it takes and gives, and contexts that run it.

The one runner of the build tool: `plan_run` compares with it, `bench_run` times it, `debug` looks
for what departs. Runs in worker processes only. The calls are those of TensorRT 10, 11 and RTX,
which are the same here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from trtbuild.cuda import Cuda, DeviceMemory, PinnedMemory, Stream
from trtbuild.engine_from_plan import AS_IT_IS, Loading, check_weights, engine_from_plan
from trtbuild.errors import VerificationError
from trtbuild.tensor import DTYPES, dtype_from_tensorrt
from trtbuild.tensorrt_log import log_of
from trtbuild.verify.dtypes import cast_to

Array = np.ndarray[Any, np.dtype[Any]]


class Engine:
    """The plan file `plan` in the runtime `module`, on the GPU of `cuda`."""

    def __init__(self, module: str, plan: Path, cuda: Cuda, loading: Loading = AS_IT_IS) -> None:
        """Raises `PlanError` where it does not load as `loading` says, or has no weights."""
        self.trt = importlib.import_module(module)
        self.cuda = cuda
        self._log = log_of(self.trt)
        self.handle, self._runtime = engine_from_plan(self.trt, self._log, plan, loading)
        check_weights(self.trt, self.handle, plan, loading)
        names = [self.handle.get_tensor_name(i) for i in range(self.handle.num_io_tensors)]
        mode = self.trt.TensorIOMode.INPUT
        self.inputs = tuple(n for n in names if self.handle.get_tensor_mode(n) == mode)
        self.outputs = tuple(n for n in names if n not in self.inputs)

    def dtype(self, name: str) -> str:
        """The data type of an input or output, a key of `DTYPES`."""
        row = dtype_from_tensorrt(self.handle.get_tensor_dtype(name).name)
        return (row or DTYPES["fp32"]).name

    def run(self, inputs: Mapping[str, Array], profile: int = 0) -> dict[str, Array]:
        """Outputs by name in the plan's data types, by a context of its own."""
        execution = Execution(self, profile)
        try:
            execution.bind(inputs)
            execution.upload()
            execution.enqueue()
            execution.download()
            execution.stream.synchronize()
            return execution.results()
        finally:
            execution.free()

    def last_words(self) -> str:
        """What TensorRT complained of last."""
        return self._log.last()


class Buffer(NamedTuple):
    """The memory of one input or output: pinned on the host, and on the GPU."""

    host: PinnedMemory
    device: DeviceMemory
    shape: tuple[int, ...]
    numpy_type: np.dtype[Any]

    def free(self) -> None:
        """Give both back."""
        self.host.free()
        self.device.free()


class Execution:
    """One context of an engine, its stream, and the memory of its inputs and outputs."""

    def __init__(self, engine: Engine, profile: int = 0) -> None:
        """`profile`: the index of the optimization profile whose shapes will be given."""
        self._engine = engine
        self._buffers: dict[str, Buffer] = {}
        self.context = engine.handle.create_execution_context()
        if self.context is None:
            raise VerificationError(f"no context can be made of the plan: {engine.last_words()}")
        self.stream = Stream(engine.cuda)
        if not self.context.set_optimization_profile_async(profile, self.stream.handle):
            self.free()
            raise VerificationError(f"the plan has no profile {profile}: {engine.last_words()}")

    def bind(self, inputs: Mapping[str, Array]) -> None:
        """Set the shapes and values of all inputs, and make room for the outputs."""
        for name in self._engine.inputs:
            value = np.ascontiguousarray(cast_to(inputs[name], self._engine.dtype(name)))
            if not self.context.set_input_shape(name, value.shape):
                raise VerificationError(
                    f"the plan does not take input '{name}' as {list(value.shape)}: "
                    f"{self._engine.last_words()}"
                )
            place = self._place(name, value.shape)
            place.host.array[:] = value.reshape(-1).view(np.uint8)
        for name in self._engine.outputs:
            shape = tuple(self.context.get_tensor_shape(name))
            if any(dim < 0 for dim in shape):
                raise VerificationError(f"the shape of output '{name}' depends on data: {shape}")
            self._place(name, shape)

    def _place(self, name: str, shape: tuple[int, ...]) -> Buffer:
        if name in self._buffers:
            self._buffers.pop(name).free()
        numpy_type = onnx.helper.tensor_dtype_to_np_dtype(DTYPES[self._engine.dtype(name)].onnx)
        size = int(np.prod(shape, dtype=np.int64)) * numpy_type.itemsize
        cuda = self._engine.cuda
        buffer = Buffer(PinnedMemory(cuda, size), DeviceMemory(cuda, size), shape, numpy_type)
        self._buffers[name] = buffer
        self.context.set_tensor_address(name, buffer.device.address)
        return buffer

    def upload(self, stream: Stream | None = None) -> None:
        """Begin to copy the inputs to the GPU."""
        for name in self._engine.inputs:
            buffer = self._buffers[name]
            (stream or self.stream).upload(buffer.device.address, buffer.host.array)

    def enqueue(self) -> None:
        """Begin to compute, on this context's stream."""
        if not self.context.execute_async_v3(self.stream.handle):
            raise VerificationError(f"the plan does not run: {self._engine.last_words()}")

    def download(self, stream: Stream | None = None) -> None:
        """Begin to copy the outputs to the host."""
        for name in self._engine.outputs:
            buffer = self._buffers[name]
            (stream or self.stream).download(buffer.host.array, buffer.device.address)

    def results(self) -> dict[str, Array]:
        """Copies of the outputs that were downloaded, once the stream has been waited for."""
        found = {}
        for name in self._engine.outputs:
            buffer = self._buffers[name]
            found[name] = buffer.host.array.copy().view(buffer.numpy_type).reshape(buffer.shape)
        return found

    def free(self) -> None:
        """Give all memory and the stream back."""
        for buffer in self._buffers.values():
            buffer.free()
        self._buffers.clear()
        del self.context
        self.stream.free()
