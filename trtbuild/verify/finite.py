"""Weights and answers that are no numbers: a comparison finds them equal, and they are useless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx

from trtbuild.onnx_weights import array_of, is_stored
from trtbuild.verify.points import Point

Array = np.ndarray[Any, np.dtype[Any]]

_FLOATS = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
}
_AT_A_TIME = 1 << 20  # elements: a weight of gigabytes is looked at where it is mapped
_SHOWN = 3


def no_numbers_in_weights(skeleton: onnx.ModelProto) -> list[str]:
    """A warning that names the weights with NaN or infinite elements, or nothing.

    What stands for minus infinity in a mask is no fault: small constants are left out.
    """
    found = [
        f"'{tensor.name}' ({count} of {int(np.prod(tensor.dims))})"
        for tensor in skeleton.graph.initializer
        if tensor.data_type in _FLOATS and (is_stored(tensor) or len(tensor.dims) > 0)
        if (count := _not_finite(array_of(tensor)))
    ]
    if not found:
        return []
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return [f"weights of the model are NaN or infinite: {', '.join(found[:_SHOWN])}{more}"]


def no_numbers_in_answers(outputs: Mapping[str, Array], point: Point, whose: str) -> list[str]:
    """A warning for each of `outputs` with NaN or infinite elements: they pass as equal."""
    return [
        f"{count} of {array.size} elements of '{name}' are NaN or infinite in {whose} itself "
        f"({point.name} shapes): that they are equal says nothing"
        for name, array in outputs.items()
        if np.issubdtype(array.dtype, np.inexact) and (count := _not_finite(array))
    ]


def _not_finite(array: Array) -> int:
    return sum(part.size - int(np.count_nonzero(np.isfinite(part))) for part in _parts(array))


def _parts(array: Array) -> Iterator[Array]:
    flat = array.reshape(-1)
    for start in range(0, flat.size, _AT_A_TIME):
        yield flat[start : start + _AT_A_TIME]
