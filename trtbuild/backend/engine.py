"""A small network built and run in this process, in memory from end to end.

One builder serves the whole process: making one loads 1.4 GB, and what makes it unfit for plans
that are kept, other bytes for the second, does not matter to one that is run at once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trtbuild.capability import Capability
from trtbuild.cuda import Cuda, DeviceMemory, Stream, lasting_context
from trtbuild.errors import PlanError, VerificationError
from trtbuild.plan.network import NodeRefusal, Parsed, parsed_bytes, typed
from trtbuild.plan.runtimes import TENSORRT, RuntimeInfo
from trtbuild.plan.session import session
from trtbuild.plan.words import bare, refusal_from_log
from trtbuild.tensor import DTYPES, dtype_from_tensorrt

Array = np.ndarray[Any, np.dtype[Any]]
_LEVEL = 0  # no kernel is timed, none compiled for it alone: the network is run once or twice


@functools.cache
def _builder(runtime: RuntimeInfo) -> Any:
    return session(runtime).new_builder()


@functools.cache
def _timings(runtime: RuntimeInfo) -> Any:
    """The kernels timed by this process so far: small networks are much alike."""
    config = _builder(runtime).create_builder_config()
    return config.create_timing_cache(b"")


def parsed(runtime: RuntimeInfo, onnx_bytes: bytes) -> Parsed | NodeRefusal:
    """The network of a model in memory, or the node that TensorRT's parser does not take."""
    loaded = session(runtime)
    return parsed_bytes(loaded, _builder(runtime), onnx_bytes, typed(loaded))


def built(runtime: RuntimeInfo, network: Parsed, target: Capability | None) -> bytes:
    """The plan of a network with fixed shapes, in true fp32. Raises `PlanError`."""
    loaded = session(runtime)
    config = network.builder.create_builder_config()
    config.builder_optimization_level = _LEVEL
    if runtime.name == TENSORRT:  # TensorRT for RTX times nothing while it builds
        config.set_timing_cache(_timings(runtime), False)
    config.clear_flag(loaded.trt.BuilderFlag.TF32)  # 10 bits of mantissa are not ONNX's fp32
    if target is not None:
        loaded.set_targets(config, (target,))
    loaded.forget_errors()
    plan = network.builder.build_serialized_network(network.network, config)
    if plan is None:
        reason = refusal_from_log(loaded.errors).reason
        raise PlanError(f"{loaded.name}: {reason}", refused_by="builder")
    return bytes(plan)


class Engine:
    """A plan on the GPU `device`, run on arrays; synchronous. Raises `CudaError` too."""

    def __init__(self, runtime: RuntimeInfo, plan: bytes, device: int) -> None:
        self._session = session(runtime)
        self._trt = self._session.trt
        self._cuda = lasting_context(device)
        self._cuda.use()
        self._session.forget_errors()
        self._runtime = self._trt.Runtime(self._session.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        context = self._engine.create_execution_context() if self._engine else None
        if context is None:
            raise VerificationError(f"the plan does not load: {self._last_words()}")
        self._context: Any = context
        self._stream = Stream(self._cuda)
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = self._trt.TensorIOMode.INPUT
        self._inputs = [n for n in names if self._engine.get_tensor_mode(n) == is_input]
        self._outputs = [name for name in names if name not in self._inputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, in the plan's data types. Shapes are those it was built for."""
        self._cuda.use()
        held = [self._uploaded(name, inputs[name]) for name in self._inputs]
        outputs = {name: self._placed(name) for name in self._outputs}
        if not self._context.execute_async_v3(self._stream.handle):
            raise VerificationError(f"the plan does not run: {self._last_words()}")
        self._stream.synchronize()
        results = {name: output.fetched(self._stream) for name, output in outputs.items()}
        for memory in held:
            memory.free()
        return results

    def _uploaded(self, name: str, value: Array) -> DeviceMemory:
        memory = DeviceMemory(self._cuda, value.nbytes)
        self._context.set_input_shape(name, value.shape)
        self._context.set_tensor_address(name, memory.address)
        flat = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        self._stream.upload(memory.address, flat)
        self._stream.synchronize()  # before `flat` goes
        return memory

    def _placed(self, name: str) -> _Output:
        """Memory for an output, or what TensorRT asks for it where its size depends on data."""
        output = _Output(self, name)
        shape = tuple(self._context.get_tensor_shape(name))
        if all(dim >= 0 for dim in shape):
            output.shaped(shape)
            size = math.prod(shape) * self.dtype(name).itemsize
            placed = self._context.set_tensor_address(name, output.allocate(size))
        else:
            placed = self._context.set_output_allocator(name, output.allocator)
        if not placed:
            raise VerificationError(f"output '{name}': {self._last_words()}")
        return output

    def dtype(self, name: str) -> np.dtype[Any]:
        """The numpy type of an input or output."""
        row = dtype_from_tensorrt(self._engine.get_tensor_dtype(name).name)
        return _numpy_type((row or DTYPES["fp32"]).numpy)

    @property
    def cuda(self) -> Cuda:
        """The GPU's context."""
        return self._cuda

    @property
    def trt(self) -> Any:
        """The runtime's module."""
        return self._trt

    def _last_words(self) -> str:
        return bare(self._session.errors[-1]) if self._session.errors else "TensorRT says nothing"


class _Output:
    """An output whose size TensorRT may tell only while it runs."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._dtype = engine.dtype(name)
        self._memory: DeviceMemory | None = None
        self._shape: tuple[int, ...] = ()
        self.allocator = _allocator(engine.trt, self)
        self._cuda = engine.cuda

    def allocate(self, size: int) -> int:
        """At least `size` bytes; what was there before is given back."""
        if self._memory is None or self._memory.size_bytes < size:
            if self._memory is not None:
                self._memory.free()
            self._memory = DeviceMemory(self._cuda, size)
        return self._memory.address

    def shaped(self, shape: tuple[int, ...]) -> None:
        """TensorRT tells the shape."""
        self._shape = shape

    def fetched(self, stream: Stream) -> Array:
        """The values, once they are there."""
        array = np.empty(self._shape, self._dtype)
        if array.nbytes and self._memory is not None:
            stream.download(array.reshape(-1).view(np.uint8), self._memory.address)
            stream.synchronize()
        if self._memory is not None:
            self._memory.free()
            self._memory = None
        return array


def _allocator(trt: Any, output: _Output) -> Any:
    """What TensorRT calls for the memory of `output`."""

    class Allocator(trt.IOutputAllocator):  # type: ignore[misc] # the bindings have no types
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)

        def reallocate_output(self, _: str, _memory: int, size: int, _alignment: int) -> int:
            return output.allocate(size)

        def reallocate_output_async(
            self, _: str, _memory: int, size: int, _alignment: int, _stream: int
        ) -> int:
            return output.allocate(size)

        def notify_shape(self, _: str, shape: Any) -> None:
            output.shaped(tuple(shape))

    return Allocator()


def _numpy_type(name: str) -> np.dtype[Any]:
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, name))
