"""What a backend is: it loads a model version and runs batches of it.

A backend is one file and one line in `BACKENDS`. `load` runs on a helper thread and may take its
time; `Executor.execute` runs on its instance's own thread and should release the GIL while it
computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from trtserve.tensors import Array

# Backend name in the config -> "module:function(LoadRequest) -> Loaded".
BACKENDS = {
    "onnxruntime": "trtserve.backends.onnxruntime:load",
}


class LoadRequest(NamedTuple):
    """What is to be loaded. `config` may be completed by the backend, as Triton's do."""

    name: str
    version: int
    model_directory: Path
    file: Path  # the model file of this version
    config: Any  # inference.ModelConfig
    complete: bool  # fill what the config leaves out (auto-complete)
    device: str  # "cpu" or "cuda:N"


class Executor(Protocol):
    """One instance of a model version."""

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch: tensors as arrays (BYTES: object arrays of bytes, BF16: uint16).

        Raises `ServeError`; an INVALID_ARG is the fault of one request among the batch's.
        """

    def unload(self) -> None:
        """Free what the instance holds."""


class Loaded(NamedTuple):
    """A model version that is ready to run."""

    executors: Sequence[Executor]  # one for each instance
    runs_on: str  # for log and metadata: "onnxruntime on cpu"
