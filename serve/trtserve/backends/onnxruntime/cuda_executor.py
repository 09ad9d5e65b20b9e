"""Runs batches on a session of the CUDA provider, through I/O binding.

Requests are joined in pinned host memory (`room`), from where the GPU fetches them by itself on a
stream of this instance's own; a request alone stays where it is. Outputs stay on the GPU until the
session has run, so their shapes may depend on the data, and are fetched into pinned memory too. Two
instances overlap: copies of one run while the other computes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from trtbuild.cuda import DeviceMemory, PinnedMemory, Stream, lasting_context
from trtbuild.errors import CudaError
from trtserve.backends.onnxruntime.executor import array_of, failure, scalars_of, value_of
from trtserve.backends.onnxruntime.signature import dtypes_of
from trtserve.backends.onnxruntime.sizes import BatchSizes
from trtserve.backends.pool import Block, Pool
from trtserve.errors import Kind, ServeError
from trtserve.faults import FAULTS
from trtserve.tensors import NUMPY, Array

# Pinned memory is taken from the whole machine: this much for an instance, the rest is pageable.
_MAX_PINNED_BYTES = 1 << 30


class CudaExecutor:
    """One instance on one GPU; several may share a session. BYTES inputs cannot be bound."""

    steady = False  # it waits for the GPU
    depth = 1
    bind = None

    def __init__(
        self, session: onnxruntime.InferenceSession, index: int, *, fill_up_to: int = 0
    ) -> None:
        """`fill_up_to`: batches may get so many rows where that is faster (`BatchSizes`); 0: never.

        Raises `ServeError` where the GPU cannot be used.
        """
        self._session = session
        self._fill_up_to = fill_up_to
        self._inner: list[tuple[int, ...]] = []  # shapes of the last batch's inputs, without rows
        self._sizes = BatchSizes(fill_up_to)
        try:
            self._gpu = lasting_context(index)
            self._gpu.use()
            self._stream = Stream(self._gpu)
        except CudaError as error:
            raise _failure(error) from None
        self._pool = Pool(self._pinned, _MAX_PINNED_BYTES)
        self._memory: dict[str, DeviceMemory] = {}  # of each input, as large as it ever was
        self._dtypes = dtypes_of((*session.get_inputs(), *session.get_outputs()))
        self._scalars = scalars_of(session)
        self._on_gpu = _on_gpu(session)

    @property
    def _device(self) -> str:
        return f"cuda:{self._gpu.device}"

    def _pinned(self, size_bytes: int) -> Block:
        self._gpu.use()
        return PinnedMemory(self._gpu, size_bytes)

    def room(self, size_bytes: int) -> Array:
        """Where to write an input's bytes, uint8 [size_bytes], for the GPU to fetch them."""
        return self._pool.take(size_bytes)

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run the session. Raises `ServeError`; UNAVAILABLE once the GPU is lost."""
        FAULTS.require(self._device)
        try:
            return self._execute(inputs, outputs)
        except CudaError as error:
            raise FAULTS.examined(self._gpu, _failure(error)) from None
        except ServeError as error:
            if error.kind is not Kind.INTERNAL:  # the client's fault
                raise
            raise FAULTS.examined(self._gpu, error) from None

    def _execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        self._gpu.use()
        rows, size = self._rows(inputs)
        binding = self._session.io_binding()
        for name, array in inputs.items():
            self._bind_input(binding, name, array, size - rows)
        for name in outputs:
            where = ("cuda", self._gpu.device) if name in self._on_gpu else ("cpu", 0)
            binding.bind_output(name, *where)
        self._stream.synchronize()
        self._run(binding, size)
        values = zip(outputs, binding.get_outputs(), strict=True)
        arrays = {name: self._fetched(name, value, rows, size) for name, value in values}
        self._stream.synchronize()
        return arrays

    def _rows(self, inputs: Mapping[str, Array]) -> tuple[int, int]:
        """How many rows the batch has, and with how many to run it; 0, 0: as it is."""
        if not self._fill_up_to:
            return 0, 0
        inner = [array.shape[1:] for array in inputs.values()]
        if inner != self._inner:
            self._inner, self._sizes = inner, BatchSizes(self._fill_up_to)
        rows = next(iter(inputs.values())).shape[0]
        return rows, self._sizes.choose(rows)

    def _run(self, binding: Any, size: int) -> None:
        began = time.monotonic()
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise failure(error) from None
        self._sizes.ran(size, time.monotonic() - began)

    def _bind_input(self, binding: Any, name: str, array: Array, more: int) -> None:
        """`more`: rows to add to those that are there."""
        shape = () if name in self._scalars else array.shape
        array = np.ascontiguousarray(array).reshape(shape)
        if name not in self._on_gpu:
            array = np.concatenate([array, array[:1].repeat(more, 0)]) if more else array
            binding.bind_ortvalue_input(name, value_of(array, self._dtypes[name]))
            return
        if more:
            shape = (shape[0] + more, *shape[1:])
        address = self._room_on_gpu(name, math.prod(shape) * array.itemsize)
        self._stream.upload(address, array)
        if more:
            self._repeat(address, array.nbytes, math.prod(shape) * array.itemsize)
        binding.bind_input(name, "cuda", self._gpu.device, self._dtypes[name].onnx, shape, address)

    def _repeat(self, address: int, given_bytes: int, size_bytes: int) -> None:
        """Fill up with the rows that are there: whatever the model asks of values, they have it."""
        while given_bytes < size_bytes:
            count = min(given_bytes, size_bytes - given_bytes)
            self._stream.copy(address + given_bytes, address, count)
            given_bytes += count

    def _room_on_gpu(self, name: str, size_bytes: int) -> int:
        memory = self._memory.get(name)
        if memory is None or memory.size_bytes < size_bytes:
            if memory is not None:
                memory.free()
            memory = self._memory[name] = DeviceMemory(self._gpu, size_bytes)
        return memory.address

    def _fetched(self, name: str, value: onnxruntime.OrtValue, rows: int, size: int) -> Array:
        """An output on its way to the host, without added rows: there once the stream is done."""
        shape: tuple[int, ...] = tuple(value.shape())
        if shape and shape[0] == size:
            shape = (rows, *shape[1:])
        if name not in self._on_gpu:
            return np.atleast_1d(array_of(value))[: rows or None]
        dtype = NUMPY[self._dtypes[name].kserve]
        array = self._pool.take(math.prod(shape) * dtype.itemsize)
        self._stream.download(array, value.data_ptr())
        return array.view(dtype).reshape(shape or (1,))

    def unload(self) -> None:
        """Free the instance's memory; the session goes with its last reference."""
        if FAULTS.keep(self._device, self):
            return
        self._gpu.use()
        for memory in self._memory.values():
            memory.free()
        self._stream.free()
        self._pool.close()


def _failure(error: CudaError) -> ServeError:
    return ServeError(Kind.INTERNAL, f"the GPU failed: {error.message}")


def _on_gpu(session: onnxruntime.InferenceSession) -> frozenset[str]:
    """Tensors that live on the GPU: no strings, nothing that nodes on the CPU take or make."""
    tensors = [*session.get_inputs(), *session.get_outputs()]
    numeric = frozenset(each.name for each in tensors if each.type != "tensor(string)")
    if not hasattr(session, "get_input_memory_infos"):  # before ONNX Runtime 1.23
        return numeric
    infos = [*session.get_input_memory_infos(), *session.get_output_memory_infos()]
    placed = zip(tensors, infos, strict=True)
    return numeric & {each.name for each, info in placed if info.name.lower() == "cuda"}
