"""An executor on a GPU that may be lost: see `trtserve.faults`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trtbuild.errors import CudaError
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.errors import Kind, ServeError
from trtserve.faults import FAULTS
from trtserve.tensors import Array


class GuardedExecutor(TensorRtExecutor):
    """Says when its GPU has faulted, and never runs there again."""

    @property
    def _device(self) -> str:
        return f"cuda:{self._cuda.device}"

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch. Raises `ServeError`; UNAVAILABLE once the GPU is lost."""
        FAULTS.require(self._device)
        try:
            return super().execute(inputs, outputs)
        except ServeError as error:
            if error.kind is not Kind.INTERNAL:  # it was refused before it ran
                raise
            raise FAULTS.examined(self._cuda, error) from None

    def unload(self) -> None:
        """Free what the instance holds, where the GPU is not lost."""
        if FAULTS.keep(self._device, self):
            return
        try:
            super().unload()
        except CudaError as error:
            failed = ServeError(Kind.INTERNAL, error.message)
            if FAULTS.examined(self._cuda, failed) is failed:
                raise
            FAULTS.keep(self._device, self)
