"""Skeletons (see `onnx_weights`) in ONNX Runtime, on the CPU. Runs in worker processes only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx

from trtbuild.onnx_weights import Array, array_of, in_memory, is_packed, is_stored

if TYPE_CHECKING:
    import onnxruntime as ort

    Values = Callable[[onnx.TensorProto], Array]


# onnx writes the newest IR version it knows into every model, needed or not, and an ONNX Runtime
# of the same day refuses it. Version 10 (onnx 1.16) is the last that changed what a graph means
# to it.
_IR = 10


def open_session(model: onnx.ModelProto, values: Values = array_of) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU for a skeleton; `values` gives a stored weight's values.

    Weights are used where they are mapped. Raises what ONNX Runtime raises for a model that it
    cannot run.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4  # only what is fatal; errors come as exceptions
    # Plans are built at the same time, and are what a run waits for: leave them half of the cores.
    options.intra_op_num_threads = max(1, (os.cpu_count() or 1) // 2)
    # Threads that spin while they wait take half of the CPU time from the builds beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Prepacking copies every weight, for speed that a handful of runs does not pay back.
    options.add_session_config_entry("session.disable_prepacking", "1")
    if _has_odd_floats(model):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    message = onnx.ModelProto()
    message.CopyFrom(model)
    message.ir_version = min(message.ir_version, _IR)
    stored = []
    for tensor in message.graph.initializer:
        if is_stored(tensor) and is_packed(tensor):  # OrtValue has no form for these
            tensor.CopyFrom(in_memory(tensor))
        elif is_stored(tensor):
            stored.append(tensor)
    ort_values = [ort_value(values(tensor)) for tensor in stored]
    options.add_external_initializers([tensor.name for tensor in stored], ort_values)
    data = message.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _has_odd_floats(model: onnx.ModelProto) -> bool:
    """Whether tensors are fp16, bf16 or fp64: fusions past the basic ones have no kernels for them.

    onnxruntime 1.31 refuses such a fused node, and dies of Transpose before MatMul in fp16.
    """
    graph = model.graph
    odd = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
    values = (*graph.input, *graph.value_info, *graph.output)
    return any(value.type.tensor_type.elem_type in odd for value in values)


def ort_value(array: Array) -> ort.OrtValue:
    """`array` for ONNX Runtime, which takes the types that numpy lacks as bare bytes."""
    import onnxruntime as ort

    if not _is_foreign(array.dtype):
        return ort.OrtValue.ortvalue_from_numpy(array)
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    raw = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, kind)


def run(session: ort.InferenceSession, values: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of `session` by name, of every data type that ONNX Runtime computes with."""
    names = [output.name for output in session.get_outputs()]
    kinds = [_KIND.get(output.type) for output in session.get_outputs()]
    if not any(_is_foreign(array.dtype) for array in values.values()) and not any(kinds):
        return dict(zip(names, session.run(names, dict(values)), strict=True))
    feed = {name: ort_value(array) for name, array in values.items()}
    outputs = session.run_with_ort_values(names, feed)
    return {
        name: _array_of_ort(output, kind) if kind else output.numpy()
        for name, output, kind in zip(names, outputs, kinds, strict=True)
    }


def _array_of_ort(value: ort.OrtValue, numpy_type: np.dtype[Any]) -> Array:
    """A copy of what `value` holds; `OrtValue.numpy` refuses these types."""
    size = value.tensor_size_in_bytes()
    raw = (ctypes.c_char * size).from_address(value.data_ptr()).raw if size else b""
    array: Array = np.frombuffer(raw, numpy_type).reshape(value.shape())
    return array


def _is_foreign(dtype: np.dtype[Any]) -> bool:
    return hasattr(ml_dtypes, dtype.name)


# ONNX Runtime's name of a type that numpy lacks -> the numpy type that ml_dtypes adds
_KIND = {
    f"tensor({name.replace('_', '')})": np.dtype(getattr(ml_dtypes, name))
    for name in (
        "bfloat16",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
    )
}
