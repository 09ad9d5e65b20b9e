"""The backend `python` as the server knows it: loads a model version, runs batches of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from google.protobuf import json_format

from trtserve import completion, placement
from trtserve.backends.base import Loaded, LoadRequest, Place
from trtserve.backends.python.instance import PythonInstance, PythonModel, complete_config
from trtserve.backends.python.looped import FINALIZE_S, Crew, LoopInstance
from trtserve.errors import Kind, ServeError
from trtserve.protocols.plain import plain


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
    completion.settle(config)
    if config.model_transaction_policy.decoupled:
        raise ServeError(
            Kind.UNSUPPORTED,
            f"model '{request.name}' is decoupled, which trtbuild serve does not support; set "
            "model_transaction_policy.decoupled to false and return one response a request",
        )
    placement.name_instances(config, request.seats)
    started = _start_all(_model(request), request.seats)
    return Loaded(
        f"python on {', '.join(placement.devices_of(request.seats))}",
        partial(_on_loop, started),
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


def _start_all(model: PythonModel, seats: Sequence[placement.Seat]) -> list[PythonInstance]:
    """All instances at once: each may import for seconds. One that fails fails all."""

    def start(seat: placement.Seat) -> PythonInstance:
        gpu = placement.gpu_index(seat.device)
        kind = "CPU" if gpu is None else "GPU"
        return PythonInstance(model, seat.name, kind=kind, device=gpu or 0)

    with ThreadPoolExecutor(len(seats), "start") as threads:
        starts = [threads.submit(start, seat) for seat in seats]
    started = [each.result() for each in starts if each.exception() is None]
    for each in starts:
        error = each.exception()
        if error is not None:
            _close_all(started)
            raise error
    return started


def _close_all(instances: Sequence[PythonInstance]) -> None:
    for instance in instances:
        instance.close(FINALIZE_S)


def _on_loop(instances: Sequence[PythonInstance], place: Place) -> list[LoopInstance]:
    crew = Crew()
    return [LoopInstance(instance, place, crew) for instance in instances]
