"""The data types of a model's inputs and outputs, against those that TensorRT has."""

from __future__ import annotations

from trtbuild.artifacts import Model
from trtbuild.errors import PlanError
from trtbuild.tensor import DTYPES

# What to make of a data type that TensorRT lacks; the others cannot be converted.
_NEAREST = {
    "fp64": "fp32",
    "int16": "int32",
    "uint16": "int32",
    "uint32": "int64",
    "uint64": "int64",
}


def check_types(model: Model) -> None:
    """Raise `PlanError` where an input or output has a data type that TensorRT lacks."""
    for role, specs in (("input", model.inputs), ("output", model.outputs)):
        for spec in specs:
            if not DTYPES[spec.dtype].tensorrt:
                raise PlanError(
                    f"{role} '{spec.name}' is {spec.dtype}, a data type that TensorRT lacks",
                    _type_hint(role, spec.name, spec.dtype),
                    dtype=spec.dtype,
                )


def _type_hint(role: str, name: str, dtype: str) -> str:
    nearest = _NEAREST.get(dtype)
    if role == "input":
        cut = "cut the model behind the ops that read it, with --inputs"
        return f"give it as {nearest}: --input '{name}={nearest}'" if nearest else cut
    cut = "leave it out, with --outputs"
    return f"end the model in a Cast to {nearest}, or {cut}" if nearest else cut
