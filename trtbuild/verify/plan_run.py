"""Run a plan on the GPU it was built for, and compare it with ONNX. Runs in worker processes only.

Written by the documents of TensorRT 10, 11 and RTX, whose calls here are the same.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from trtbuild.artifacts import Comparison, Plan
from trtbuild.cuda import Cuda, DeviceMemory, Stream
from trtbuild.errors import VerificationError, first_line
from trtbuild.onnx_weights import read_skeleton
from trtbuild.tensor import DTYPES, dtype_from_tensorrt
from trtbuild.tensorfile import load_tensors
from trtbuild.verify.compare import Label, compare
from trtbuild.verify.dtypes import cast_to, precision_of
from trtbuild.verify.options import DEFAULTS, Tolerance, VerifyOptions, tolerance_of
from trtbuild.verify.points import Point
from trtbuild.workers.child import report

Array = np.ndarray[Any, np.dtype[Any]]

# TensorRT computes fp32 in TF32 where it is faster (10 bits of mantissa, as fp16 has).
_TF32: Tolerance = DEFAULTS["fp16"]


def compare_plan(
    *,
    plan: Plan,
    module: str,
    model: Path,
    points: list[Point],
    options: VerifyOptions,
    label: str,
) -> list[Comparison]:
    """Run `plan` with the runtime `module` on every point's inputs, against its ONNX outputs.

    Raises `VerificationError` where the runtime cannot load or run the plan, with its own words,
    `CudaError` where the GPU cannot be used.
    """
    precision = precision_of(read_skeleton(model))
    tolerance = tolerance_of(options, precision)
    if precision == "fp32" and tolerance.scaled:
        tolerance = _TF32
    comparisons = []
    with Cuda() as cuda:
        engine = _Engine(module, plan.path, cuda, runs_code=bool(plan.version_compatible))
        for point in points:
            report(f"verify {label}", f"{point.name} shapes")
            expected = load_tensors(point.outputs)
            got = engine.run(load_tensors(point.inputs))
            for name, reference in expected.items():
                place = Label(f"ONNX vs plan {label}", point.name, name)
                comparisons.append(compare(place, reference, got[name], tolerance))
    return comparisons


class _Engine:
    """A deserialized plan with one execution context, synchronous."""

    def __init__(self, module: str, plan: Path, cuda: Cuda, *, runs_code: bool = False) -> None:
        self._trt = importlib.import_module(module)
        self._cuda = cuda
        self._stream = Stream(cuda)
        self._held: list[DeviceMemory] = []
        self._words: list[str] = []
        self._logger = _logger(self._trt, self._words)
        self._runtime = self._trt.Runtime(self._logger)
        if runs_code:
            self._runtime.engine_host_code_allowed = True
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        context = self._engine.create_execution_context() if self._engine else None
        if context is None:
            raise VerificationError(f"{module} cannot load the plan: {self._last_words()}")
        self._context = context

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Outputs by name, in the plan's data types."""
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = {
            name: self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
            for name in names
        }
        for name in (name for name in names if is_input[name]):
            value = np.ascontiguousarray(cast_to(inputs[name], self._dtype(name)))
            self._context.set_input_shape(name, value.shape)
            self._stream.upload(self._place(name, value), _bytes(value))
            self._stream.synchronize()  # before `value` goes
        outputs = {}
        for name in (name for name in names if not is_input[name]):
            shape = tuple(self._context.get_tensor_shape(name))
            if any(dim < 0 for dim in shape):
                raise VerificationError(f"the shape of output '{name}' depends on data: {shape}")
            empty: Array = cast_to(np.zeros(shape), self._dtype(name))
            outputs[name] = (empty, self._place(name, empty))
        if not self._context.execute_async_v3(self._stream.handle):
            raise VerificationError(f"the plan does not run: {self._last_words()}")
        for array, address in outputs.values():
            self._stream.download(_bytes(array), address)
        self._stream.synchronize()
        while self._held:
            self._held.pop().free()
        return {name: array for name, (array, _) in outputs.items()}

    def _place(self, name: str, value: Array) -> int:
        """Memory of the GPU for a tensor as large as `value`, by its address."""
        memory = DeviceMemory(self._cuda, value.nbytes)
        self._held.append(memory)
        self._context.set_tensor_address(name, memory.address)
        return memory.address

    def _dtype(self, name: str) -> str:
        row = dtype_from_tensorrt(self._engine.get_tensor_dtype(name).name)
        return (row or DTYPES["fp32"]).name

    def _last_words(self) -> str:
        return first_line(Exception(self._words[-1])) if self._words else "it says nothing"


def _bytes(array: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes of a contiguous array, which it shares."""
    return array.reshape(-1).view(np.uint8)


def _logger(trt: Any, words: list[str]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc] # the bindings have no types
        def __init__(self) -> None:
            super().__init__()

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                words.append(message)

    return Logger()
