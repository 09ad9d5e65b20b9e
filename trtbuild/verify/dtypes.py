"""Data types of arrays and of whole models. Runs in worker processes only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from trtbuild.tensor import DTYPES, dtype_from_onnx
from trtbuild.verify.options import Precision

Array = np.ndarray[Any, np.dtype[Any]]

# The coarsest first: it decides how close two runs of a model can be.
_COARSEST: tuple[tuple[str, Precision], ...] = (
    ("fp4", "fp8"),
    ("fp6", "fp8"),
    ("fp8", "fp8"),
    ("bf16", "bf16"),
    ("fp16", "fp16"),
)


def cast_to(value: Array, dtype: str) -> Array:
    """`value` in the data type `dtype` (a key of `DTYPES`); strings stay what they are."""
    if dtype == "string":
        return value
    return value.astype(onnx.helper.tensor_dtype_to_np_dtype(DTYPES[dtype].onnx))


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and the branches and bodies inside it, however deep."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


def precision_of(model: onnx.ModelProto) -> Precision:
    """The coarsest float type that occurs in the weights, casts, inputs or outputs of `model`.

    Branches and bodies are looked into.
    """
    numbers: set[int] = set()
    for graph in graphs_of(model.graph):
        numbers |= {tensor.data_type for tensor in graph.initializer}
        numbers |= {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        numbers |= {
            attribute.i
            for node in graph.node
            if node.op_type == "Cast"
            for attribute in node.attribute
            if attribute.name == "to"
        }
    names = {row.name for number in numbers if (row := dtype_from_onnx(number)) is not None}
    for prefix, precision in _COARSEST:
        if any(name.startswith(prefix) for name in names):
            return precision
    return "fp32"
