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
    if not row.tensorrt and row.name not in _WIDENED:
        why = _WHY.get(row.name, f"TensorRT has no {row.name}")
        raise PlanError(
            f"{role} '{value.name}' is {row.name}: {why}", dtype=row.name, refused_by="parser"
        )


def numpy_type(elem_type: int) -> np.dtype[Any]:
    """The numpy (or ml_dtypes) type of a `TensorProto.DataType`."""
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
