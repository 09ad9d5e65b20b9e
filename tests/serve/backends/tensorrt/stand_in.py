"""As much of TensorRT's Python API as the backend uses, for an engine that copies.

Output number i is input number i, copied within the GPU on the stream that it is given, through
the CUDA driver: staging, streams, events and captured graphs are the real ones wherever a GPU is.
It keeps TensorRT's rules that can be kept here: shapes lie within the context's profile, tensors
have addresses, no profile is used that is not there.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping, Sequence
from ctypes import c_void_p
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from trtbuild.cuda import Cuda
from trtbuild.plan.header import HEADER_BYTES

Dims = tuple[int, ...]
Bounds = tuple[Dims, Dims, Dims]  # min, opt, max


class Severity(enum.Enum):
    INTERNAL_ERROR = 7  # the integers are nobody's, as they should be
    ERROR = 8
    WARNING = 9


__version__ = "10.6.0"


class SerializationFlag(enum.Enum):
    EXCLUDE_WEIGHTS = 3


def init_libnvinfer_plugins(logger: object, namespace: str) -> bool:
    return True


class ILogger:
    Severity = Severity


class IOutputAllocator:
    pass


class IProfiler:
    pass


class Runtime:
    """Deserializes what `plan_text` describes: the JSON behind a plan's header."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    engine_host_code_allowed = False

    def deserialize_cuda_engine(self, data: bytes) -> ICudaEngine | None:
        try:
            stated = json.loads(data[HEADER_BYTES:])
        except ValueError:
            self._logger.log(Severity.WARNING, "the plan is odd")
            self._logger.log(Severity.ERROR, "Serialization assertion failed: it is no engine")
            self._logger.log(Severity.ERROR, "deserializeCudaEngine: Error Code 1")
            return None
        if stated.get("host_code") and not self.engine_host_code_allowed:
            self._logger.log(Severity.ERROR, "Engine host code is not allowed")
            return None
        tensors = [Tensor(**{**each, "dims": tuple(each["dims"])}) for each in stated["tensors"]]
        return ICudaEngine(tensors, stated["profiles"], cuda=Cuda())


def plan_text(engine: ICudaEngine) -> bytes:
    """What `Runtime` deserializes to an engine like this one."""
    tensors = [each._asdict() for each in engine.tensors.values()]
    return json.dumps({"tensors": tensors, "profiles": engine.profiles}).encode()


class ExecutionContextAllocationStrategy(enum.Enum):
    USER_MANAGED = 30
    STATIC = 31


class TensorIOMode(enum.Enum):
    OUTPUT = 40
    INPUT = 41


class TensorLocation(enum.Enum):
    HOST = 50
    DEVICE = 51


class TensorFormat(enum.Enum):
    CHW32 = 60
    LINEAR = 61


class DataType(enum.Enum):
    FLOAT = 70
    HALF = 71
    BF16 = 72
    INT8 = 73
    UINT8 = 74
    INT32 = 75
    INT64 = 76
    BOOL = 77
    FP8 = 78


_ITEM_BYTES = {"FLOAT": 4, "HALF": 2, "BF16": 2, "INT32": 4, "INT64": 8}


class Tensor(NamedTuple):
    """One tensor of the engine; dims -1: variable."""

    name: str
    dtype: str
    dims: Dims
    mode: str = "INPUT"
    shape_tensor: bool = False
    location: str = "DEVICE"
    format: str = "LINEAR"


def copies(
    pairs: Sequence[tuple[Tensor, str]], profiles: Sequence[Mapping[str, Bounds]], **more: Any
) -> ICudaEngine:
    """An engine with an output of the given name beside each input."""
    tensors = [each for each, _ in pairs]
    tensors += [each._replace(name=name, mode="OUTPUT") for each, name in pairs]
    return ICudaEngine(tensors, profiles, **more)


class ICudaEngine:
    def create_serialization_config(self) -> SimpleNamespace:
        return SimpleNamespace(get_flag=lambda _: False)  # it was not built to be stripped

    def __init__(
        self,
        tensors: Sequence[Tensor],
        profiles: Sequence[Mapping[str, Bounds]],
        *,
        cuda: Cuda | None = None,
        halves: Sequence[str] = (),
        log: list[str] | None = None,
    ) -> None:
        """`halves`: outputs that keep half of the rows, which only a run tells."""
        self.tensors = {each.name: each for each in tensors}
        self.profiles = profiles
        self.cuda = cuda
        self.halves = halves
        self.log = log if log is not None else []
        self.refused: Dims | None = None  # a shape that does not run
        self.enqueued = 0
        self.num_io_tensors = len(tensors)
        self.num_optimization_profiles = len(profiles)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode[self.tensors[name].mode]

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation[self.tensors[name].location]

    def get_tensor_format(self, name: str, profile: int) -> TensorFormat:
        formats = self.tensors[name].format.split()  # one, or one for each profile
        return TensorFormat[formats[min(profile, len(formats) - 1)]]

    def is_shape_inference_io(self, name: str) -> bool:
        return self.tensors[name].shape_tensor

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[self.tensors[name].dtype]

    def get_tensor_shape(self, name: str) -> Dims:
        return self.tensors[name].dims

    def get_tensor_profile_shape(self, name: str, index: int) -> list[Dims]:
        return list(self.profiles[index][name])

    def create_execution_context(
        self,
        strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC,
    ) -> IExecutionContext | None:
        return IExecutionContext(self, strategy)

    def get_device_memory_size_for_profile_v2(self, index: int) -> int:
        return 1024 * (index + 1)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, strategy: ExecutionContextAllocationStrategy) -> None:
        self._engine = engine
        self._needs_memory = strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        self._memory = (0, 0)
        self._profile: int | None = None
        self._shapes: dict[str, Dims] = {}
        self._addresses: dict[str, int] = {}
        self._allocators: dict[str, Any] = {}
        self.profiler: Any = None

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        assert stream
        self._profile = index
        return 0 <= index < len(self._engine.profiles)

    def set_input_shape(self, name: str, shape: Dims) -> bool:
        assert self._profile is not None
        low, _, high = self._engine.profiles[self._profile][name]
        self._shapes[name] = tuple(shape)
        return len(shape) == len(low) and all(
            a <= size <= b for a, size, b in zip(low, shape, high, strict=True)
        )

    def _source(self, output: str) -> str:
        names = list(self._engine.tensors)
        return names[names.index(output) - len(names) // 2]

    def get_tensor_shape(self, name: str) -> Dims:
        tensor = self._engine.tensors[name]
        if tensor.mode == "INPUT":
            return self._shapes.get(name, tensor.dims)
        shape = self._shapes.get(self._source(name), tensor.dims)
        return (-1, *shape[1:]) if name in self._engine.halves else shape

    def set_device_memory(self, memory: int, size: int) -> None:
        assert self._needs_memory
        assert memory % 256 == 0
        self._memory = (memory, size)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self._allocators[name] = allocator
        return True

    def execute_async_v3(self, stream: int) -> bool:
        engine = self._engine
        assert engine.cuda is not None
        if engine.refused in self._shapes.values():
            return False
        if self._needs_memory:
            address, size = self._memory
            assert self._profile is not None
            if not address or size < engine.get_device_memory_size_for_profile_v2(self._profile):
                engine.log.append("no device memory")
                return False
        engine.enqueued += 1
        outputs = [each for each in engine.tensors.values() if each.mode == "OUTPUT"]
        for each in outputs:
            source = self._source(each.name)
            shape = self._shapes[source]
            address = self._addresses.get(each.name, 0)
            if each.name in engine.halves:
                shape = (shape[0] // 2, *shape[1:])
                size = math.prod(shape) * _ITEM_BYTES[each.dtype]
                allocator = self._allocators[each.name]
                address = allocator.reallocate_output_async(each.name, 0, size, 256, stream)
                allocator.notify_shape(each.name, shape)
            size = math.prod(shape) * _ITEM_BYTES[each.dtype]
            if not address or not self._addresses.get(source):
                engine.log.append(f"no address for {each.name}")
                return False
            engine.cuda.call(
                "cuMemcpyDtoDAsync_v2", address, self._addresses[source], size, c_void_p(stream)
            )
            if self.profiler is not None:
                self.profiler.report_layer_time(f"copy of {source}", 0.25)
        return True


def values(shape: Dims, dtype: str = "float32", seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(-100, 100, shape).astype(dtype)
