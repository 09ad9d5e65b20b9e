"""ONNX models on ONNX Runtime, on the CPU or through the CUDA provider.

Auto-complete follows Triton's ONNX Runtime backend (onnxruntime.cc, AutoCompleteConfig): a model
is batchable if every input and output has an open first dim.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime

from trtserve.backends.base import Loaded, LoadRequest
from trtserve.backends.thread import instances
from trtserve.errors import Kind, ServeError, invalid
from trtserve.tensors import Array

_DEFAULT_MAX_BATCH = 4  # Triton's --backend-config=default-max-batch-size
_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16
# Names of types in NodeArg.type that are not those of DTYPES.
_TYPES = {
    "float": "TYPE_FP32", "double": "TYPE_FP64", "float16": "TYPE_FP16", "bfloat16": "TYPE_BF16",
    "string": "TYPE_STRING", "bool": "TYPE_BOOL", "int8": "TYPE_INT8", "int16": "TYPE_INT16",
    "int32": "TYPE_INT32", "int64": "TYPE_INT64", "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16", "uint32": "TYPE_UINT32", "uint64": "TYPE_UINT64",
}  # fmt: skip


def available_devices() -> tuple[str, ...]:
    """The kinds of device that the installed ONNX Runtime can run on."""
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return ("cuda", "cpu") if cuda else ("cpu",)


def load(request: LoadRequest) -> Loaded:
    """Open the model; one session serves all instances of a device. Raises `ServeError`."""
    if request.device != "cpu" and "cuda" not in available_devices():
        raise ServeError(
            Kind.UNAVAILABLE,
            f"{request.device} was asked for, but the installed ONNX Runtime has no CUDA provider",
        )
    try:
        session = onnxruntime.InferenceSession(
            str(request.file), _options(request.config), providers=_providers(request.device)
        )
    except Exception as error:
        raise ServeError(Kind.INTERNAL, f"cannot load {request.file.name}: {error}") from None
    if request.complete:
        complete(request.config, session)
    check(request.config, session)
    count = sum(max(1, group.count) for group in request.config.instance_group) or 1
    executor = OnnxExecutor(session)
    return Loaded(
        f"onnxruntime on {request.device}",
        partial(instances, [executor] * count),
        executor.unload,
    )


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    index = int(device.partition(":")[2])
    return [("CUDAExecutionProvider", {"device_id": index}), "CPUExecutionProvider"]


def _options(config: Any) -> onnxruntime.SessionOptions:
    """The session options that Triton's backend takes from a config's parameters."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    stated = {name: each.string_value for name, each in config.parameters.items()}
    options.intra_op_num_threads = _count(stated, "intra_op_thread_count")
    options.inter_op_num_threads = _count(stated, "inter_op_thread_count")
    if stated.get("execution_mode") == "1":
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    # An idle server must not spin. Costs little: threads wake in microseconds.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    levels = onnxruntime.GraphOptimizationLevel
    chosen = {-1: levels.ORT_ENABLE_BASIC, 1: levels.ORT_ENABLE_EXTENDED, 2: levels.ORT_ENABLE_ALL}
    if config.optimization.HasField("graph"):
        options.graph_optimization_level = chosen.get(
            config.optimization.graph.level, levels.ORT_ENABLE_ALL
        )
    return options


def _count(stated: Mapping[str, str], name: str) -> int:
    text = stated.get(name, "0")
    if not text.isdecimal():
        raise invalid(f"parameter '{name}' must be a number of threads, got '{text}'")
    return int(text)


def complete(config: Any, session: onnxruntime.InferenceSession) -> None:
    """Fill inputs, outputs and batching from the model, where the config lists none."""
    if config.input and config.output:
        return
    tensors = [*session.get_inputs(), *session.get_outputs()]
    batchable = all(each.shape and not _fixed(each.shape[0]) for each in tensors)
    if config.max_batch_size > 0 and not batchable:
        raise invalid(
            f"autofill failed for model '{config.name}': model does not support batching while "
            "non-zero max_batch_size is specified"
        )
    if batchable and config.max_batch_size == 0:
        config.max_batch_size = _DEFAULT_MAX_BATCH
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()
    batching = config.max_batch_size > 0
    if not config.input:
        for each in session.get_inputs():
            _describe(config.input.add(), each, batching=batching)
    if not config.output:
        for each in session.get_outputs():
            _describe(config.output.add(), each, batching=batching)


def _fixed(dim: Any) -> bool:
    return isinstance(dim, int) and dim >= 0


def _describe(tensor: Any, argument: Any, *, batching: bool) -> None:
    tensor.name = argument.name
    numbers = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name
    tensor.data_type = numbers[_type(argument)].number
    dims = [dim if _fixed(dim) else -1 for dim in argument.shape][1 if batching else 0 :]
    tensor.dims.extend(dims or [1])
    if not dims and batching:
        tensor.reshape.SetInParent()


def _type(argument: Any) -> str:
    name = _TYPES.get(argument.type.removeprefix("tensor(").removesuffix(")"))
    if name is None:
        raise invalid(f"'{argument.name}' is a {argument.type}, which cannot be served")
    return name


def check(config: Any, session: onnxruntime.InferenceSession) -> None:
    """The config's tensors are the model's, in type and rank. Raises `ServeError`."""
    for kind, stated, found in (
        ("input", config.input, session.get_inputs()),
        ("output", config.output, session.get_outputs()),
    ):
        by_name = {each.name: each for each in found}
        for tensor in stated:
            argument = by_name.get(tensor.name)
            if argument is None:
                raise invalid(
                    f"unexpected inference {kind} '{tensor.name}', allowed {kind}s are: "
                    + ", ".join(by_name)
                )
            _check_tensor(kind, tensor, argument, batching=config.max_batch_size > 0)
        if kind == "input" and (missing := set(by_name) - {each.name for each in stated}):
            raise invalid(f"the model's input '{min(missing)}' is not in the config")


def _check_tensor(kind: str, tensor: Any, argument: Any, *, batching: bool) -> None:
    names = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    stated = names[tensor.data_type].name
    if stated != _type(argument):
        raise invalid(
            f"{kind} '{tensor.name}' is {stated} in the config, the model says {_type(argument)}"
        )
    dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
    full = [-1, *dims] if batching else dims
    scalar = not argument.shape and dims == [1]
    fits = len(full) == len(argument.shape) and all(
        dim < 0 or not _fixed(found) or dim == found
        for dim, found in zip(full, argument.shape, strict=True)
    )
    if not fits and not scalar:
        raise invalid(
            f"{kind} '{tensor.name}' has the shape {full} by the config (max_batch_size adds the "
            f"first dim), the model says {argument.shape}"
        )


class OnnxExecutor:
    """One session; ONNX Runtime lets threads share it, and releases the GIL while it runs."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._dtypes = {each.name: each.type for each in session.get_inputs()}
        types = {each.type for each in (*session.get_inputs(), *session.get_outputs())}
        self._strings = "tensor(string)" in types
        self._bfloat = "tensor(bfloat16)" in types

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run the session. Raises `ServeError`."""
        if self._bfloat:
            return self._execute_values(inputs, outputs)
        if self._strings:
            inputs = {name: _text(name, array) for name, array in inputs.items()}
        try:
            values = self._session.run(outputs, dict(inputs))
        except Exception as error:
            raise _failure(error) from None
        return {name: np.asarray(value) for name, value in zip(outputs, values, strict=True)}

    def _execute_values(
        self, inputs: Mapping[str, Array], outputs: Sequence[str]
    ) -> Mapping[str, Array]:
        """BF16 has no NumPy type: it travels as uint16 through OrtValues."""
        make = onnxruntime.OrtValue
        feeds = {
            name: make.ortvalue_from_numpy_with_onnx_type(np.array(array), _BFLOAT16)
            if self._dtypes[name] == "tensor(bfloat16)"
            else make.ortvalue_from_numpy(_text(name, array))
            for name, array in inputs.items()
        }
        try:
            values = self._session.run_with_ort_values(list(outputs), feeds)
        except Exception as error:
            raise _failure(error) from None
        return {name: _array(value) for name, value in zip(outputs, values, strict=True)}

    def unload(self) -> None:
        """The session goes with its last reference."""


def _failure(error: Exception) -> ServeError:
    """Invalid shapes and values inside the graph are one request's fault, all else is ours."""
    name = type(error).__name__
    kind = (
        Kind.INVALID_ARG
        if name in ("InvalidArgument", "Fail", "RuntimeException")
        else Kind.INTERNAL
    )
    return ServeError(kind, f"onnx runtime error: {error}")


def _text(name: str, array: Array) -> Array:
    """BYTES as the str that ONNX Runtime takes. Raises `ServeError` where they are no UTF-8."""
    if array.dtype != object:
        return array
    result = np.empty(array.size, dtype=object)
    try:
        result[:] = [element.decode() for element in array.ravel()]
    except UnicodeDecodeError:
        raise invalid(f"input '{name}': ONNX Runtime takes strings in UTF-8 only") from None
    return result.reshape(array.shape)


def _array(value: onnxruntime.OrtValue) -> Array:
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    shape = value.shape()
    count = math.prod(shape)
    if not count:
        return np.empty(shape, np.uint16)
    memory = (ctypes.c_uint16 * count).from_address(value.data_ptr())
    return np.array(np.frombuffer(memory, np.uint16).reshape(shape))
