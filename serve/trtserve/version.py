"""One loaded version of a model, with all that a request to it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trtserve import warmup
from trtserve.backends.base import Place
from trtserve.loading import Prepared
from trtserve.protocols.infer_proto import ResponseEncoder
from trtserve.protocols.v2_json import JsonCodec
from trtserve.request import InferRequest
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.dynamic import DynamicScheduler, policy_from_config
from trtserve.schedulers.loop import Runner
from trtserve.schedulers.ordering import in_order
from trtserve.schedulers.policy import Scheduler
from trtserve.settings import Settings
from trtserve.statistics import ModelStatistics


class Version:
    """One loaded version of a model.

    `submit` queues a request, which is then answered exactly once. It raises `ServeError` where
    there is no room.
    """

    submit: Callable[[InferRequest], None]

    def __init__(
        self, number: int, prepared: Prepared, settings: Settings,
        loop: asyncio.AbstractEventLoop, load_s: float,
    ) -> None:  # fmt: skip
        self.name = prepared.contract.name
        self.number = str(number)
        self.config = prepared.config
        self.contract = prepared.contract
        self.note = prepared.note
        self.devices = prepared.devices
        self.runs_on = prepared.loaded.runs_on
        self.load_s = load_s
        self.codec = JsonCodec(self.contract)
        self.encoder = ResponseEncoder(self.contract)
        self.statistics = ModelStatistics()
        instances = prepared.loaded.instances(Place(self.contract, self.number, loop))
        self.runner = Runner(
            _scheduler(self.config), instances, self.statistics, loop, settings.max_waiting,
            eager=self.config.optimization.eager_batching,
        )  # fmt: skip
        # No method of its own between a request and its queue: this is every request's way.
        ordered = self.config.dynamic_batching.preserve_ordering
        self.submit = in_order(self.runner.submit) if ordered else self.runner.submit

    @property
    def platform(self) -> str:
        """What really runs it, as the metadata says: a fallback is no TensorRT plan."""
        if self.note:
            return "onnxruntime_onnx"
        return str(self.config.platform or self.config.backend)

    async def warm_up(self, directory: Path, in_thread: Callable[..., Any]) -> None:
        """Run what the config's `model_warmup` asks for on every instance. Raises `ServeError`.

        Samples may be large: one at a time is in memory.
        """
        samples = warmup.samples(self.config, self.contract, directory)
        while (sample := await in_thread(next, samples, None)) is not None:
            await self.runner.warm(*sample)
            del sample

    async def retire(self) -> None:
        """Answer what was accepted, then free everything."""
        await self.runner.drain()
        self.runner.close()


def _scheduler(config: Any) -> Scheduler:
    """Without batches too: queue limits, timeouts and priorities are the dynamic batcher's."""
    if config.WhichOneof("scheduling_choice") == "dynamic_batching":
        return DynamicScheduler(policy_from_config(config))
    return DirectScheduler()
