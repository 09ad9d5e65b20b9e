"""Runs batches on a session of the CPU provider."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import onnxruntime

from trtbuild.tensor import DTYPES, DType
from trtserve.backends.known import Binder
from trtserve.backends.onnxruntime.bound import BoundRun
from trtserve.backends.onnxruntime.signature import dtypes_of
from trtserve.backends.pool import Pageable, Pool
from trtserve.batch import Room
from trtserve.errors import Kind, ServeError, invalid
from trtserve.tensors import Array

_STRING, _BF16 = DTYPES["string"], DTYPES["bf16"]
# Classes of what goes wrong inside a graph; the last is what runs with an I/O binding raise.
_OF_THE_GRAPH = ("InvalidArgument", "Fail", "RuntimeException", "RuntimeError")
# What ONNX Runtime's messages say when memory or the GPU failed, whatever their class.
_DEVICE_FAILURES = ("CUDA", "CUDNN", "CUBLAS", "bfc_arena", "Failed to allocate", "bad_alloc")

_MAX_KEPT_BYTES = 64 << 20  # for joined batches, of an instance that is idle


class OnnxExecutor:
    """One session; ONNX Runtime lets threads share it, and releases the GIL while it runs."""

    depth = 1

    def __init__(
        self, session: onnxruntime.InferenceSession, *, steady: bool = False, large: bool = False
    ) -> None:
        """`steady`: the values of a batch do not decide how long the session takes.

        `large`: batches may be of a size that malloc takes from the system each time.
        Raises `ServeError` for types that cannot be combined.
        """
        self._session = session
        self.room: Room | None = Pool(Pageable, _MAX_KEPT_BYTES).take if large else None
        self._dtypes = dtypes_of((*session.get_inputs(), *session.get_outputs()))
        self._scalars = scalars_of(session)
        self._texts = texts_of(session)
        self.steady = steady and not self._texts
        halves = [name for name, dtype in self._dtypes.items() if dtype is _BF16]
        self._bfloat = bool(halves)
        self.bind: Binder | None = None
        if self.steady and not self._scalars and not self._bfloat:
            self.bind = partial(BoundRun, session)
        if self._texts and halves:
            raise ServeError(
                Kind.UNSUPPORTED,
                f"a BYTES input '{self._texts[0]}' beside the BF16 '{halves[0]}' cannot be "
                "served: ONNX Runtime's Python interface has no way to take both",
            )

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run the session. Raises `ServeError`."""
        if self._scalars:
            for name in self._scalars & inputs.keys():
                inputs = {**inputs, name: inputs[name].reshape(())}
        if self._bfloat:
            return self._execute_values(inputs, outputs)
        if self._texts:
            inputs = {name: _text(name, array) for name, array in inputs.items()}
        try:
            values = self._session.run(outputs, dict(inputs))
        except Exception as error:
            raise failure(error) from None
        return {
            name: value if value.ndim else value.reshape(1)
            for name, value in zip(outputs, values, strict=True)
        }

    def _execute_values(
        self, inputs: Mapping[str, Array], outputs: Sequence[str]
    ) -> Mapping[str, Array]:
        """BF16 has no NumPy type: it travels as uint16 through OrtValues."""
        feeds = {name: value_of(array, self._dtypes[name]) for name, array in inputs.items()}
        try:
            values = self._session.run_with_ort_values(list(outputs), feeds)
        except Exception as error:
            raise failure(error) from None
        arrays = map(array_of, values)
        return {name: np.atleast_1d(array) for name, array in zip(outputs, arrays, strict=True)}

    def unload(self) -> None:
        """The session goes with its last reference."""


def scalars_of(session: onnxruntime.InferenceSession) -> frozenset[str]:
    """The inputs without dims: configs have to say [1] of them, and clients send that."""
    return frozenset(each.name for each in session.get_inputs() if each.shape == [])


def texts_of(session: onnxruntime.InferenceSession) -> list[str]:
    """The BYTES inputs: they are given to `run` alone, as arrays of str."""
    return [name for name, dtype in dtypes_of(session.get_inputs()).items() if dtype is _STRING]


def failure(error: Exception) -> ServeError:
    """Invalid shapes and values inside the graph are one request's fault, all else is ours."""
    blames = type(error).__name__ in _OF_THE_GRAPH
    ours = any(sign in str(error) for sign in _DEVICE_FAILURES)
    kind = Kind.INVALID_ARG if blames and not ours else Kind.INTERNAL
    return ServeError(kind, f"onnx runtime error: {error}")


def _text(name: str, array: Array) -> Array:
    """BYTES as the str that ONNX Runtime takes. Raises `ServeError` where they are no UTF-8."""
    if array.dtype != object:
        return array
    result = np.empty(array.size, dtype=object)
    try:
        result[:] = [element.decode() for element in array.ravel()]
    except UnicodeDecodeError:
        raise invalid(f"input '{name}': ONNX Runtime takes strings in UTF-8 only") from None
    return result.reshape(array.shape)


def value_of(array: Array, dtype: DType) -> onnxruntime.OrtValue:
    """An array of numbers as the OrtValue that an input of type `dtype` takes."""
    make = onnxruntime.OrtValue
    if dtype is _BF16:
        return make.ortvalue_from_numpy_with_onnx_type(np.array(array), dtype.onnx)
    return make.ortvalue_from_numpy(array)


def array_of(value: onnxruntime.OrtValue) -> Array:
    """A value in the CPU's memory as an array; BF16 as uint16."""
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    shape = value.shape()
    count = math.prod(shape)
    if not count:
        return np.empty(shape, np.uint16)
    memory = (ctypes.c_uint16 * count).from_address(value.data_ptr())
    return np.array(np.frombuffer(memory, np.uint16).reshape(shape))
