"""Tensors between NumPy and PyTorch, with the data types that NumPy has from ml_dtypes only."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch

from trtbuild.errors import SourceError
from trtbuild.tensor import DTYPES, dtype_from_numpy

_BITS = {1: (np.uint8, torch.uint8), 2: (np.int16, torch.int16)}  # same-sized carriers


def torch_dtype(name: str) -> torch.dtype:
    """The torch type of a key of `tensor.DTYPES`. Raises `SourceError` where there is none."""
    row = DTYPES.get(name)
    dtype = getattr(torch, row.numpy, None) if row else None
    if not isinstance(dtype, torch.dtype):
        raise SourceError(f"PyTorch has no tensors of type {name}")
    return dtype


def tensor_from_array(array: np.ndarray) -> torch.Tensor:
    """A tensor of its own memory, same shape and dtype."""
    name = array.dtype.name
    if hasattr(ml_dtypes, name):
        carrier, _ = _BITS[array.dtype.itemsize]
        row = dtype_from_numpy(name)
        dtype = torch_dtype(row.name if row else name)
        return torch.from_numpy(np.array(array.view(carrier))).view(dtype)
    return torch.from_numpy(np.array(array))


def array_from_tensor(tensor: torch.Tensor) -> np.ndarray:
    """The array of `tensor`'s values, on the CPU, same shape and dtype."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    name = str(tensor.dtype).removeprefix("torch.")
    if hasattr(ml_dtypes, name):
        _, carrier = _BITS[tensor.element_size()]
        array: np.ndarray = tensor.contiguous().view(carrier).numpy()
        return array.view(getattr(ml_dtypes, name))
    plain: np.ndarray = tensor.numpy()
    return plain
