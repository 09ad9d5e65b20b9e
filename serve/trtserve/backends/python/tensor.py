"""`pb_utils.Tensor`: a named array. Inputs become arrays when a model first looks at them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtserve.backends.python import dlpack
from trtserve.backends.python.dtypes import (
    WIRE,
    Array,
    deserialize_bytes_tensor,
    enum_number,
    serialize_byte_tensor,
    wire_name,
)
from trtserve.backends.python.layout import Part, Spec
from trtserve.backends.python.slab import Bytes
from trtserve.tensors import NUMPY


class TritonModelException(Exception):  # noqa: N818  # Triton's name
    """What `triton_python_backend_utils` raises about wrong use of it."""


class Tensor:
    """A named tensor in CPU memory."""

    __slots__ = ("_array", "_dtype", "_name", "_place", "_shape", "_size", "_window")

    _array: Array | None
    _window: Bytes | None
    _place: int
    _size: int

    def __init__(self, name: str, array: Array) -> None:
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise TypeError(
                f"Tensor(name: str, array: numpy.ndarray) was given ({name!r}, "
                f"{type(array).__name__}); numpy.asarray makes an array of a number or a list"
            )
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        dtype = WIRE.get(array.dtype) or wire_name(array.dtype)
        if dtype is None:
            raise TritonModelException("NumPy dtype is not supported.")
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)
        self._name, self._dtype, self._array, self._shape = name, dtype, array, array.shape
        self._window = None

    def name(self) -> str:
        """The tensor's name."""
        return self._name

    def shape(self) -> list[int]:
        """Its shape, batch dim included."""
        return list(self._shape)

    def triton_dtype(self) -> int:
        """The number of its data type in Triton's enum DataType."""
        return enum_number(self._dtype)

    def is_cpu(self) -> bool:
        """Always true: inputs are put into CPU memory."""
        return True

    def as_numpy(self) -> Array:
        """The array; BYTES as an object array of bytes. Raises for BF16, which NumPy lacks."""
        if self._dtype == "BF16":
            raise TritonModelException(
                "NumPy has no BF16: take the tensor by DLPack, as in torch.from_dlpack(tensor)"
            )
        return self._held()

    def _held(self) -> Array:
        array = self._array
        if array is None:
            window = self._window
            assert window is not None
            if self._dtype == "BYTES":
                encoded = window[self._place : self._place + self._size].tobytes()
                array = deserialize_bytes_tensor(encoded).reshape(self._shape)
            else:
                array = np.ndarray(self._shape, NUMPY[self._dtype], window, self._place)
            self._array = array
        return array

    @staticmethod
    def from_dlpack(name: str, source: Any) -> Tensor:
        """A tensor over the memory of a DLPack capsule or of an object with `__dlpack__`."""
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        try:
            array, bf16 = dlpack.array_from(source)
        except (TypeError, BufferError, ValueError) as error:
            raise TritonModelException(str(error)) from None
        if not array.flags.c_contiguous:
            raise TritonModelException(
                "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are stored "
                "in C-Order are supported."
            )
        tensor = Tensor(name, array)
        if bf16:
            tensor._dtype = "BF16"
        return tensor

    def to_dlpack(self) -> Any:
        """A DLPack capsule over the tensor's memory."""
        if self._dtype == "BYTES":
            raise TritonModelException("DLPack does not have support for string tensors.")
        try:
            return dlpack.capsule_of(self._held(), bf16=self._dtype == "BF16")
        except BufferError as error:
            raise TritonModelException(str(error)) from None

    def __dlpack__(self, stream: Any = None, **_: Any) -> Any:
        """As `to_dlpack`; `stream` is for GPUs."""
        return self.to_dlpack()

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU."""
        return 1, 0

    def sent(self) -> tuple[tuple[str, str, tuple[int, ...]], Part]:
        """What goes to the server: what the tensor is (a `Spec`), and its data in wire form."""
        data: Part = self._held()
        if self._dtype == "BYTES":
            data = serialize_byte_tensor(self._held()) or b""
        return (self._name, self._dtype, self._shape), data


def tensor_in(window: Bytes, spec: Spec, place: int, size: int) -> Tensor:
    """An input: `size` bytes at `place` in `window`, made an array only when asked for."""
    tensor = Tensor.__new__(Tensor)
    tensor._name, tensor._dtype, tensor._shape = spec
    tensor._array = None
    tensor._window, tensor._place, tensor._size = window, place, size
    return tensor
