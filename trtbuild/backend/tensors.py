"""The types of a model's inputs and outputs, and what TensorRT has none for."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from trtbuild.errors import PlanError
from trtbuild.tensor import dtype_from_onnx

Array = np.ndarray[Any, np.dtype[Any]]
# Integers that are computed in a wider type (surgery's widen_integers) and given back as they were.
_WIDENED = {"int2", "uint2", "uint4", "uint8", "int16", "uint16", "uint32"}
# Floats whose codes are computed with, in int32 (surgery's odd_floats).
_CODED = {"fp8e4m3fnuz", "fp8e5m2", "fp8e5m2fnuz", "fp8e8m0", "fp4e2m1"}
_WHY = {
    "fp64": "TensorRT computes no fp64, and fp32 would lose bits",
    "uint64": "TensorRT has no uint64, and int64 does not hold all of its values",
    "string": "TensorRT has no strings",
}


def check_types(model: onnx.ModelProto) -> None:
    """Raise `PlanError` for an input or output that TensorRT cannot hold without loss."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for role, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            if value.name not in constants:
                _check_type(role, value)


def _check_type(role: str, value: onnx.ValueInfoProto) -> None:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        what = (kind or "value without a type").removesuffix("_type").replace("_", " ")
        raise PlanError(
            f"{role} '{value.name}' is a {what}; TensorRT takes tensors only", refused_by="parser"
        )
    row = dtype_from_onnx(value.type.tensor_type.elem_type)
    if row is None:
        raise PlanError(f"{role} '{value.name}' has no data type", refused_by="parser")
    if not row.tensorrt and row.name not in _WIDENED | _CODED:
        why = _WHY.get(row.name, f"TensorRT has no {row.name}")
        raise PlanError(
            f"{role} '{value.name}' is {row.name}: {why}", dtype=row.name, refused_by="parser"
        )


def numpy_type(elem_type: int) -> np.dtype[Any]:
    """The numpy (or ml_dtypes) type of a `TensorProto.DataType`."""
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type))


def as_network(array: Array, elem_type: int) -> Array:
    """An array of a model's input as the network takes it, which has `elem_type` there."""
    dtype = numpy_type(elem_type)
    if _is_small_float(array.dtype) and dtype == np.int32:
        return array.view(np.uint8).astype(np.int32)  # the codes of floats
    return array.astype(dtype, copy=False)


def as_model(array: Array, elem_type: int) -> Array:
    """What a network computed as the model's output, which has `elem_type` there."""
    dtype = numpy_type(elem_type)
    if array.dtype == np.int32 and _is_small_float(dtype):
        return array.astype(np.uint8).view(dtype)
    return array.astype(dtype, copy=False)


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """A float of 8 bits or less, of which numpy holds one a byte."""
    return dtype.itemsize == 1 and dtype.name.startswith("float")
