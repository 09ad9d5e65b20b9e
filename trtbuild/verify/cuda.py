"""GPU memory through the CUDA driver itself, so that verification needs no CUDA package.

Source: the CUDA driver API (cuda.h). Runs in worker processes only, on the GPU that
CUDA_VISIBLE_DEVICES leaves them.
"""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import numpy as np

from trtbuild.errors import VerificationError

Array = np.ndarray[Any, np.dtype[Any]]


class Cuda:
    """The primary context of GPU 0 and what was allocated in it; leaving it frees all."""

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise VerificationError(f"no CUDA driver: {error}") from None
        self._device = ctypes.c_int()
        self._buffers: list[ctypes.c_uint64] = []
        context = ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._call("cuCtxSetCurrent", context)

    def allocate(self, size_bytes: int) -> int:
        """The address of new GPU memory, freed when the context is left."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(1, size_bytes)))
        self._buffers.append(address)
        return address.value

    def upload(self, address: int, array: Array) -> None:
        """Copy a contiguous `array` to the GPU."""
        data, size = array.ctypes.data, ctypes.c_size_t(array.nbytes)
        if array.nbytes:
            self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), ctypes.c_void_p(data), size)

    def download(self, array: Array, address: int) -> None:
        """Fill a contiguous `array` from the GPU."""
        data, size = array.ctypes.data, ctypes.c_size_t(array.nbytes)
        if array.nbytes:
            self._call("cuMemcpyDtoH_v2", ctypes.c_void_p(data), ctypes.c_uint64(address), size)

    def synchronize(self) -> None:
        """Wait for all work of the context; its errors are raised here."""
        self._call("cuCtxSynchronize")

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(code, ctypes.byref(text))
            said = (text.value or b"").decode(errors="replace")
            raise VerificationError(f"{name} answered {code} ({said})")

    def __enter__(self) -> Cuda:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for address in self._buffers:
            self._driver.cuMemFree_v2(address)
        self._driver.cuDevicePrimaryCtxRelease_v2(self._device)
