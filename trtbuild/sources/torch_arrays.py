"""Tensors between NumPy and PyTorch, with the data types that NumPy has from ml_dtypes only."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch

from trtbuild.errors import SourceError
from trtbuild.tensor import DTYPES

_BITS = {1: (np.uint8, torch.uint8), 2: (np.int16, torch.int16)}  # same-sized carriers


def torch_dtype(name: str) -> torch.dtype:
    """The torch type of a key of `tensor.DTYPES`. Raises `SourceError` where torch has none."""
    dtype = getattr(torch, DTYPES[name].numpy, None)
    if not isinstance(dtype, torch.dtype):
        raise SourceError(f"PyTorch has no tensors of type {name}")
    return dtype


def tensor_from_array(array: np.ndarray) -> torch.Tensor:
    """A tensor of its own memory, same shape and dtype."""
    name = array.dtype.name
    if hasattr(ml_dtypes, name):
        carrier, _ = _BITS[array.dtype.itemsize]
        bits = torch.from_numpy(np.array(array.view(carrier)))
        return bits.view(getattr(torch, name))
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
