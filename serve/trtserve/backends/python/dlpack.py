"""DLPack, in and out, by NumPy's own support; and BF16, which NumPy does not know.

A BF16 tensor crosses as uint16 in NumPy, and the type code in the DLPack struct says what it is.
Layout of DLManagedTensor: dlpack.h, DLPack 0.8.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from trtserve.backends.python.dtypes import Array

_UINT, _BFLOAT = 1, 4  # DLDataTypeCode
_CPU, _CUDA_HOST = 1, 3  # DLDeviceType
_NAME = b"dltensor"


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    )


def _tensor_in(capsule: Any) -> _DLTensor:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return _DLTensor.from_address(pointer(capsule, _NAME))


class _Producer:
    """Gives NumPy a capsule in the form it asks for: an object with `__dlpack__`."""

    def __init__(self, capsule: Any, device: tuple[int, int]) -> None:
        self._capsule, self._device = capsule, device

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


def capsule_of(array: Array, *, bf16: bool) -> Any:
    """A DLPack capsule over the array's memory; uint16 as BF16 where told so."""
    capsule = _writable(array).__dlpack__()
    if bf16:
        _tensor_in(capsule).code = _BFLOAT
    return capsule


def _writable(array: Array) -> Array:
    """The same memory as an array that NumPy exports: it refuses to for read-only ones.

    Arrays that come from plain DLPack capsules are read-only in NumPy, whatever made them.
    """
    if array.flags.writeable or not array.nbytes:
        return array if array.flags.writeable else array.copy()
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owner = array  # type: ignore[attr-defined]  # holds the memory for as long
    alias: Array = np.ndarray(array.shape, array.dtype, memoryview(memory))
    return alias


def array_from(source: Any) -> tuple[Array, bool]:
    """The array that a capsule, or an object with `__dlpack__`, holds, and whether it is BF16.

    A tensor on a GPU is copied to the CPU first where it knows how (`tensor.cpu()`).
    Raises `TypeError` for what is neither, `BufferError` for other devices and data types.
    """
    on_host = (_CPU, _CUDA_HOST)
    if hasattr(source, "cpu") and source.__dlpack_device__()[0] not in on_host:
        source = source.cpu()
    is_capsule = type(source).__name__ == "PyCapsule"
    if not is_capsule and not hasattr(source, "__dlpack__"):
        raise TypeError(
            "Provided tensor is not supported. Tensor must be a DLPack capsule or have a "
            "`__dlpack__` attribute"
        )
    capsule = source if is_capsule else source.__dlpack__()
    tensor = _tensor_in(capsule)
    bf16 = tensor.code == _BFLOAT and tensor.bits == 16
    if bf16:
        tensor.code = _UINT
    if tensor.device_type not in on_host:
        raise BufferError(f"a tensor on device type {tensor.device_type}: move it to the CPU")
    return np.from_dlpack(_Producer(capsule, (_CPU, 0))), bf16
