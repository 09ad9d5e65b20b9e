"""A plan as a deserialized engine: its tensors, profiles and contexts. Takes TensorRT's module.

Data-centre TensorRT 10 and 11 and TensorRT for RTX have the same Python calls as far as they are
used here. Members of enums are looked up by name: their integers differ between releases.
"""

from __future__ import annotations

import importlib
import logging
import threading
from functools import cache
from pathlib import Path
from typing import Any

from trtbuild.artifacts import Profile, Range
from trtbuild.engine_from_plan import advice, lacks_weights
from trtbuild.errors import first_line
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.tensor import dtype_from_tensorrt
from trtserve.backends.tensorrt.profiles import EngineTensor, Signature
from trtserve.plans import PlanRefused, without_weights

_log = logging.getLogger("trtserve")
_MOST_WORDS = 20  # messages kept until somebody asks; the first one is the cause


class Words:
    """What TensorRT said since `forget`, on this thread: models load on several."""

    def __init__(self) -> None:
        self._of = threading.local()

    def add(self, message: str) -> None:
        """Keep a message."""
        said = self._said()
        if len(said) < _MOST_WORDS:
            said.append(message)

    def forget(self) -> None:
        """What comes from here on belongs to new work."""
        self._said().clear()

    def __str__(self) -> str:
        said = self._said()
        return first_line(Exception(said[0])) if said else "it says nothing"

    def _said(self) -> list[str]:
        if not hasattr(self._of, "said"):
            self._of.said = []
        said: list[str] = self._of.said
        return said


class Library:
    """A loaded TensorRT: its module and the one logger that it keeps."""

    def __init__(self, trt: Any) -> None:
        self.trt = trt
        self.words = Words()
        self.logger = _logger(trt, self.words)


@cache
def library(module: str) -> Library:
    """The TensorRT that is imported as `module`. Raises `PlanRefused` where it does not load."""
    try:
        return Library(importlib.import_module(module))
    except ImportError as error:
        raise PlanRefused(
            f"{module} is installed, but does not load: {first_line(error)}"
        ) from None


def _logger(trt: Any, words: Words) -> Any:
    severity = trt.ILogger.Severity

    class Logger(trt.ILogger):  # type: ignore[misc] # the module is loaded by name
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, level: Any, message: str) -> None:
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                words.add(message)
            elif level == severity.WARNING:
                _log.warning("TensorRT: %s", message)

    return Logger()


class Engine:
    """A deserialized plan, shared by the instances of its GPU."""

    def __init__(self, loaded: Library, handle: Any, runtime: Any = None) -> None:
        """`handle`: an ICudaEngine of `runtime`. Raises `PlanRefused` for what is not served."""
        self.trt = loaded.trt
        self.words = loaded.words
        self._runtime = runtime  # has to outlive its engines
        self._handle = handle
        self.signature = signature_of(loaded.trt, handle)

    def new_context(self, *, final_kernels: bool, user_managed: bool = False) -> Any:
        """An IExecutionContext. Raises `PlanRefused` where TensorRT makes none.

        `final_kernels`: TensorRT for RTX compiles kernels for each new shape before it runs,
        instead of beside it; a captured graph keeps those that it was captured with.
        `user_managed`: it has no memory for what lies between layers. Its owner gives it some by
        `set_device_memory(address, bytes)` before it runs: at least `context_memory_bytes` of its
        profile, at an address that 256 divides. Contexts that never run at once may share one.
        """
        self.words.forget()
        strategies = self.trt.ExecutionContextAllocationStrategy
        strategy = strategies.USER_MANAGED if user_managed else strategies.STATIC
        kernels = getattr(self.trt, "DynamicShapesKernelSpecializationStrategy", None)
        context = None
        try:
            if final_kernels and kernels is not None:
                config = self._handle.create_runtime_config()
                config.dynamic_shapes_kernel_specialization_strategy = kernels.EAGER
                config.set_execution_context_allocation_strategy(strategy)
                context = self._handle.create_execution_context(config)
            else:
                context = self._handle.create_execution_context(strategy)
        except Exception as error:  # the bindings raise what C++ throws
            self.words.add(str(error))
        if context is None:
            raise PlanRefused(f"unable to create TensorRT execution context: {self.words}")
        return context

    def context_memory_bytes(self, profile: int) -> int:
        """What a `user_managed` context of a profile needs at most, for any of its shapes.

        Never 0: a context is given some memory in any case.
        """
        return max(256, int(self._handle.get_device_memory_size_for_profile_v2(profile)))


def open_engine(
    runtime: RuntimeInfo, plan: Path, device: str, *, host_code: bool = False
) -> Engine:
    """Deserialize a plan on the calling thread's GPU, `device`.

    `host_code`: a version-compatible plan's own runtime may be loaded, which is a library inside
    the plan. Raises `PlanRefused` with the runtime's own words.
    """
    loaded = library(runtime.module)
    loaded.words.forget()
    made = handle = None
    try:
        made = loaded.trt.Runtime(loaded.logger)
        made.engine_host_code_allowed = host_code
        handle = made.deserialize_cuda_engine(plan.read_bytes())
    except OSError as error:
        raise PlanRefused(f"cannot read {plan.name}: {error.strerror}") from None
    except Exception as error:  # the bindings raise what C++ throws
        loaded.words.add(str(error))
    if handle is None:
        raise PlanRefused(
            f"{runtime.name} {runtime.version} refuses {plan.name} on {device}: {loaded.words}"
            f" ({advice(str(loaded.words))})"
        )
    if lacks_weights(loaded.trt, handle, plan.stat().st_size):
        raise PlanRefused(without_weights(plan.name))
    return Engine(loaded, handle, made)


def signature_of(trt: Any, handle: Any) -> Signature:
    """What an ICudaEngine says of itself. Raises `PlanRefused` for what is not served."""
    names = [handle.get_tensor_name(index) for index in range(handle.num_io_tensors)]
    inputs: list[EngineTensor] = []
    outputs: list[EngineTensor] = []
    for name in names:
        is_input = handle.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append(_tensor(trt, handle, name))
    return Signature(
        tuple(inputs),
        tuple(outputs),
        tuple(_profile(handle, inputs, index) for index in range(handle.num_optimization_profiles)),
    )


def _tensor(trt: Any, handle: Any, name: str) -> EngineTensor:
    if handle.is_shape_inference_io(name) or handle.get_tensor_location(name) == (
        trt.TensorLocation.HOST
    ):
        raise PlanRefused(
            f"'{name}' is a shape tensor of its plan, whose values decide other shapes; such "
            "plans are not run"
        )
    for index in range(handle.num_optimization_profiles):  # each may have a format of its own
        if (stated := handle.get_tensor_format(name, index)) != trt.TensorFormat.LINEAR:
            raise PlanRefused(
                f"'{name}' has the format {stated.name} in its plan; only LINEAR is run"
            )
    stated = handle.get_tensor_dtype(name).name
    row = dtype_from_tensorrt(stated)
    if row is None or not row.kserve:
        raise PlanRefused(f"'{name}' is {stated} in its plan, a type that no request can carry")
    return EngineTensor(name, row.kserve, tuple(handle.get_tensor_shape(name)))


def _profile(handle: Any, inputs: list[EngineTensor], index: int) -> Profile:
    return {
        each.name: Range(
            *(tuple(dims) for dims in handle.get_tensor_profile_shape(each.name, index))
        )
        for each in inputs
    }
