"""A session's run at shapes that are known, from and to memory that is bound to it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime

from trtserve.tensors import Array


class BoundRun:
    """Saves making values of arrays and arrays of values: half of the time of a small model."""

    def __init__(
        self, session: onnxruntime.InferenceSession, inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
    ) -> None:  # fmt: skip
        """`inputs`, `outputs`: arrays as those to come, on the CPU, of types that NumPy has."""
        self._session = session
        self._binding = session.io_binding()
        self.inputs: Sequence[Array] = [np.empty_like(each, order="C") for each in inputs.values()]
        self.outputs: Sequence[Array] = [
            np.empty_like(each, order="C") for each in outputs.values()
        ]
        for name, array in zip(inputs, self.inputs, strict=True):
            self._binding.bind_input(name, *_CPU, array.dtype, array.shape, array.ctypes.data)
        for name, array in zip(outputs, self.outputs, strict=True):
            self._binding.bind_output(name, *_CPU, array.dtype, array.shape, array.ctypes.data)

    def begin(self) -> None:
        """Fill `outputs`. Raises what the session raises: where outputs have other shapes, too."""
        self._session.run_with_iobinding(self._binding)

    def passed(self) -> bool:
        """They are filled when `begin` ends."""
        return True

    def wait(self) -> None:
        """There is nothing to wait for."""


_CPU = ("cpu", 0)
