"""Loads plans: an engine for each device, an executor for each instance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trtbuild.cuda import lasting_context
from trtbuild.cuda_driver import CONTEXT_LOST
from trtbuild.errors import CudaError
from trtserve.backends.base import Loaded, LoadRequest
from trtserve.backends.tensorrt.complete import check, complete
from trtserve.backends.tensorrt.engine import Engine, library, open_engine
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.backends.tensorrt.graphs import graphs_of
from trtserve.backends.tensorrt.guarded import GuardedExecutor
from trtserve.backends.tensorrt.options import options_of
from trtserve.backends.tensorrt.profiles import profile_indices
from trtserve.backends.thread import instances
from trtserve.errors import ServeError
from trtserve.faults import FAULTS
from trtserve.placement import Seat, gpu_index
from trtserve.plans import Chosen, PlanRefused
from trtserve.plugins import load_plugins


def load(request: LoadRequest) -> Loaded:
    """Deserialize the plan of each device, for all instances that sit there.

    Raises `PlanRefused` where this machine cannot run them, `ServeError` where config and plan
    contradict each other.
    """
    chosen = request.plans
    assert chosen is not None, "plans are chosen before they are loaded"
    try:
        engines = {device: _engine(chosen, device) for device in chosen.files}
        executors = _executors(request, engines)
    except CudaError as error:
        raise _refused(error, chosen) from None
    return Loaded(
        _runs_on(request.config.backend, chosen),
        partial(instances, executors),
        partial(_unload, executors),
    )


def _refused(error: CudaError, chosen: Chosen) -> ServeError:
    """What a failed call makes of a load: a GPU that is lost is lost for every model."""
    refused = PlanRefused(f"the GPU cannot be used: {error.message}")
    if error.code in CONTEXT_LOST:
        for device in chosen.files:
            told = FAULTS.examined(lasting_context(gpu_index(device) or 0), refused)
            if told is not refused:
                return told
    return refused


def _engine(chosen: Chosen, device: str) -> Engine:
    cuda = lasting_context(gpu_index(device) or 0)
    cuda.use()
    loaded = library(chosen.runtime.module)
    load_plugins(loaded.trt, loaded.logger, chosen.plugins, chosen.files[device])
    try:
        return open_engine(chosen.runtime, chosen.files[device], device, host_code=chosen.host_code)
    except PlanRefused as refused:
        free, total = (size >> 20 for size in cuda.memory())
        raise PlanRefused(f"{refused}; {free} of {total} MiB are free on {device}") from None


def _executors(request: LoadRequest, engines: dict[str, Engine]) -> list[TensorRtExecutor]:
    config = request.config
    placed = [
        (seat, profile_indices(seat.profiles, engines[seat.device].signature))
        for seat in request.seats
    ]
    for number, (seat, profiles) in enumerate(placed):
        signature = engines[seat.device].signature
        if request.complete and not number:
            complete(config, signature, profiles)
        check(config, signature, profiles)
    executors: list[TensorRtExecutor] = []
    try:
        for seat, profiles in placed:
            executors.append(_executor(request, seat, engines[seat.device], profiles))
    except Exception:
        _unload(executors)
        raise
    return executors


def _executor(
    request: LoadRequest, seat: Seat, engine: Engine, profiles: Sequence[int]
) -> TensorRtExecutor:
    options = options_of(request.config)
    wanted = graphs_of(request.config, engine.signature, profiles) if options.graphs else []
    cuda = lasting_context(gpu_index(seat.device) or 0)
    executor = GuardedExecutor(engine, cuda, profiles, options)
    executor.capture(wanted)
    return executor


def _unload(executors: Sequence[TensorRtExecutor]) -> None:
    for executor in executors:
        executor.unload()


def _runs_on(backend: str, chosen: Chosen) -> str:
    """What --check and the log say: "tensorrt_rtx on cuda:0 (plan model-sm89.plan, 8.9 in ...)"."""
    devices = (
        f"{device} (plan {path.name}, {chosen.why[device]})"
        for device, path in chosen.files.items()
    )
    return f"{backend} on {', '.join(devices)}"
