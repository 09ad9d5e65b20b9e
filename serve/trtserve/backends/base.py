"""What a backend is: it loads a model version and runs batches of it.

A backend is one file and one line in `BACKENDS`. `load` runs beside the event loop and may take its
time. Where the engine runs in this process, the backend gives `Executor`s and `thread.instances`
puts each on a thread of its own; any other `Instance` will do as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from trtserve.backends.known import Binder
from trtserve.batch import Room
from trtserve.contract import Contract
from trtserve.placement import Seat
from trtserve.plans import Chosen
from trtserve.schedulers.loop import Instance
from trtserve.tensors import Array

# Backend name in the config -> "module:function(LoadRequest) -> Loaded".
BACKENDS = {
    "onnxruntime": "trtserve.backends.onnxruntime.backend:load",
    "python": "trtserve.backends.python.backend:load",
    "tensorrt": "trtserve.backends.tensorrt.load:load",
    "tensorrt_rtx": "trtserve.backends.tensorrt.load:load",
}


class LoadRequest(NamedTuple):
    """What is to be loaded. `config` may be completed by the backend, as Triton's do."""

    name: str
    version: int
    model_directory: Path
    file: Path  # the model file of this version
    config: Any  # inference.ModelConfig
    complete: bool  # fill what the config leaves out (auto-complete)
    seats: tuple[Seat, ...]  # one for each instance
    plans: Chosen | None = None  # of a backend that runs plans: one for each device


class Executor(Protocol):
    """What a `ThreadInstance` runs, where the engine is in this process."""

    @property
    def steady(self) -> bool:
        """Whether an execution's time depends on the batch's shapes alone, not on its values."""

    @property
    def depth(self) -> int:
        """How many batches may be executed at once, each on a thread of its own."""

    @property
    def room(self) -> Room | None:
        """Where inputs are to be gathered: memory that a GPU copies from. None: anywhere."""

    @property
    def bind(self) -> Binder | None:
        """For batches of which nothing but the values is new. None: there is nothing to save."""

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch: tensors as arrays (BYTES: object arrays of bytes, BF16: uint16).

        Raises `ServeError`; an INVALID_ARG is the fault of one request among the batch's.
        """

    def unload(self) -> None:
        """Free what the instance holds."""


class Place(NamedTuple):
    """Where instances run: what they need to answer requests and to report back."""

    contract: Contract  # of the completed config
    version: str
    loop: asyncio.AbstractEventLoop


class Loaded(NamedTuple):
    """A model version that is ready to run.

    One of the two is called, once: `instances` on the loop's thread when the version gets its
    place in the server, `unload` where it does not after all.
    """

    runs_on: str  # for log and metadata: "onnxruntime on cpu"
    instances: Callable[[Place], Sequence[Instance]]
    unload: Callable[[], None]
