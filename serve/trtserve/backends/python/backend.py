"""The backend `python` as the server knows it: loads a model version, runs batches of it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any

from google.protobuf import json_format

from trtserve import completion
from trtserve.backends.base import Loaded, LoadRequest, Place
from trtserve.backends.python.instance import PythonInstance, PythonModel, complete_config
from trtserve.errors import Kind, ServeError
from trtserve.protocols.plain import plain
from trtserve.schedulers.loop import Done, Outcome
from trtserve.schedulers.policy import Batch

_log = logging.getLogger("trtserve")
_FINALIZE_S = 30.0  # Triton's --exit-timeout-secs


def load(request: LoadRequest) -> Loaded:
    """Complete the config, start and initialize every instance. Raises `ServeError`."""
    config = request.config
    if "EXECUTION_ENV_PATH" in config.parameters:
        raise ServeError(
            Kind.UNSUPPORTED,
            f"model '{request.name}' names an EXECUTION_ENV_PATH: a Python model runs in the "
            "server's own Python environment; install what it needs there",
        )
    if request.complete:
        found = complete_config(_model(request))
        take_completed(config, json.loads(found))
    completion.normalize(config)
    completion.validate(config)
    if config.model_transaction_policy.decoupled:
        raise ServeError(
            Kind.UNSUPPORTED,
            f"model '{request.name}' is decoupled, which trtbuild serve does not support; set "
            "model_transaction_policy.decoupled to false and return one response a request",
        )
    gpu = None if request.device == "cpu" else int(request.device.partition(":")[2])
    completion.name_instances(config, gpu=gpu)
    started = _start_all(_model(request), config)
    return Loaded(
        f"python on {request.device}",
        partial(_threads, started),
        partial(_close_all, started),
    )


def _model(request: LoadRequest) -> PythonModel:
    config = json.dumps(plain(request.config))
    return PythonModel(request.name, str(request.version), request.file, config)


def take_completed(config: Any, found: dict[str, Any]) -> None:
    """Into `config` what Triton takes from a model's `auto_complete_config`.

    That is the batch size, inputs, outputs, a scheduler where there was none, and the transaction
    policy (core/src/backend_model.cc, UpdateModelConfig). Raises `ServeError`.
    """
    taken: dict[str, Any] = {
        key: found[key] for key in ("max_batch_size", "input", "output") if key in found
    }
    if config.WhichOneof("scheduling_choice") is None and "dynamic_batching" in found:
        taken["dynamic_batching"] = found["dynamic_batching"]
    if "model_transaction_policy" in found:
        taken["model_transaction_policy"] = found["model_transaction_policy"]
    for key in taken:
        config.ClearField(key)
    try:
        json_format.ParseDict(taken, config)
    except json_format.ParseError as error:
        raise ServeError(
            Kind.INVALID_ARG,
            f"auto_complete_config of model '{config.name}' made no valid config: {error}",
        ) from None


def _start_all(model: PythonModel, config: Any) -> list[PythonInstance]:
    """All instances at once: each may import for seconds. One that fails fails all."""
    wanted = [
        (f"{group.name}_{number}", group)
        for group in config.instance_group
        for number in range(max(1, group.count))
    ]

    def start(name: str, group: Any) -> PythonInstance:
        on_gpu = bool(group.gpus)
        return PythonInstance(
            model, name, kind="GPU" if on_gpu else "CPU", device=group.gpus[0] if on_gpu else 0
        )

    with ThreadPoolExecutor(len(wanted), "start") as threads:
        starts = [threads.submit(start, *each) for each in wanted]
    started = [each.result() for each in starts if each.exception() is None]
    for each in starts:
        error = each.exception()
        if error is not None:
            _close_all(started)
            raise error
    return started


def _close_all(instances: Sequence[PythonInstance]) -> None:
    for instance in instances:
        instance.close(_FINALIZE_S)


def _threads(instances: Sequence[PythonInstance], place: Place) -> list[PythonThread]:
    return [PythonThread(instance, place) for instance in instances]


class PythonThread:
    """The thread that waits for one instance's process, batch by batch."""

    def __init__(self, instance: PythonInstance, place: Place) -> None:
        self._instance = instance
        self._loop = place.loop
        self._work: SimpleQueue[tuple[Batch, Done] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=instance.name, daemon=True)
        self._thread.start()

    def start(self, batch: Batch, done: Done) -> None:
        """Hand a batch to the thread."""
        self._work.put((batch, done))

    def close(self) -> None:
        """End the thread and the process, away from the loop."""
        self._work.put(None)
        # No daemon: the server's process ends when the model has finalized, or its time is up.
        threading.Thread(target=self._close, name=f"{self._instance.name} end").start()

    def _close(self) -> None:
        self._thread.join()
        self._instance.close(_FINALIZE_S)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            batch, done = work
            outcome = self._outcome(batch)
            self._loop.call_soon_threadsafe(done, self, batch, outcome)

    def _outcome(self, batch: Batch) -> Outcome:
        started = time.monotonic_ns()
        instance = self._instance
        try:
            answers = instance.execute(batch.requests)
        except Exception as error:
            _log.exception("'%s' failed", instance.name)
            text = f"model instance '{instance.name}' failed: {error}"
            answers = [ServeError(Kind.INTERNAL, text)] * len(batch.requests)
        ended = time.monotonic_ns()
        put = min(max(instance.put_ns, started), ended)
        returned = min(max(instance.returned_ns, put), ended)
        return Outcome(answers, started, put, returned, ended)
