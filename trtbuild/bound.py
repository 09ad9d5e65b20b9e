"""Inputs that become constants: what `--bind NAME=VALUE` says, and the array that it means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trtbuild.errors import SurgeryError, UsageError
from trtbuild.tensor import DTYPES, Dim, TensorSpec

if TYPE_CHECKING:
    import numpy as np

_EXAMPLE = "write for example --bind rate=16000, or --bind size=640,480"


def bindings_from_texts(texts: Iterable[str]) -> dict[str, str]:
    """Input -> the text of its value. Raises `UsageError`."""
    bound: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not name or not equals or not value.strip():
            raise UsageError(f"--bind '{text}' is not NAME=VALUE", _EXAMPLE)
        if name in bound:
            raise UsageError(f"--bind names '{name}' twice", "give one value for each input")
        bound[name] = value.strip()
    return bound


def bound_array(
    spec: TensorSpec, text: str, sizes: Mapping[str, int] | None = None
) -> np.ndarray[Any, np.dtype[Any]]:
    """The value of the input `spec` that `text` says, in its shape and data type.

    A number fills the shape; several, with commas or as JSON, have to be as many as it holds. Dims
    that vary have the size that `sizes` says for their name, else 1. Raises `SurgeryError`.
    """
    import numpy as np
    import onnx

    what = f"--bind {spec.name}={text}"
    try:
        plain = json.loads(text if text[:1] in "[tf" or "," not in text else f"[{text}]")
        values = np.array(plain)
    except ValueError:
        raise SurgeryError(f"{what} is no number and no list of numbers", _EXAMPLE) from None
    if values.dtype.kind not in "biuf":
        raise SurgeryError(f"{what} is no number and no list of numbers", _EXAMPLE)
    wanted = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(DTYPES[spec.dtype].onnx))
    typed = values.astype(wanted)
    if wanted.kind in "biu" and not np.array_equal(typed, values):
        raise SurgeryError(
            f"{what} is no value of {spec}", f"give one that {spec.dtype} can hold exactly"
        )
    shape = tuple(_size(dim, sizes or {}) for dim in spec.shape)
    if typed.size == 1:
        return np.full(shape, typed.ravel()[0], wanted)
    if typed.size != int(np.prod(shape)):
        raise SurgeryError(
            f"{what} gives {typed.size} numbers; the input is {spec}",
            f"give one, which fills it, or {int(np.prod(shape))}",
        )
    return typed.reshape(shape)


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    return dim if isinstance(dim, int) else sizes.get(dim, 1)
