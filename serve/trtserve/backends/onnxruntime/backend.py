"""Loads ONNX models: sessions, and an executor for each instance."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import onnxruntime

from trtbuild.onnx_files import op_types
from trtserve.backends.base import Executor, Loaded, LoadRequest
from trtserve.backends.onnxruntime.cuda_executor import CudaExecutor
from trtserve.backends.onnxruntime.executor import OnnxExecutor, texts_of
from trtserve.backends.onnxruntime.options import providers, session_options, shares_session
from trtserve.backends.onnxruntime.signature import check, complete, has_batch_dim
from trtserve.backends.thread import instances
from trtserve.errors import Kind, ServeError
from trtserve.memory import MMAP_BYTES
from trtserve.placement import CPU, devices_of, gpu_index

_log = logging.getLogger("trtserve")
# Ops that run for as long, or make tensors as large, as the values of their inputs say.
_UNSTEADY = frozenset(
    ("Loop", "Scan", "If", "NonMaxSuppression", "NonZero", "Range", "ConstantOfShape", "Expand",
     "Tile", "OneHot", "Resize", "Upsample", "Pad", "Unique", "Compress", "SplitToSequence",
     "SequenceMap", "EyeLike", "CenterCropPad", "Col2Im", "AffineGrid", "MaxUnpool",
     "BeamSearch", "GreedySearch", "Sampling")
)  # fmt: skip
_CUDA = "CUDAExecutionProvider"
_ERRORS = 3  # a severity
_MAX_ELEMENT_BYTES = 8


def available_devices() -> tuple[str, ...]:
    """The kinds of device that the installed ONNX Runtime can run on."""
    return ("cuda", "cpu") if _CUDA in onnxruntime.get_available_providers() else ("cpu",)


def load(request: LoadRequest) -> Loaded:
    """Open the model. Raises `ServeError`.

    All instances on the CPU share a session, which loses nothing by it. On a GPU each has its own,
    as in Triton: a session's convolutions remember one batch size, and hold each other up.
    """
    devices = devices_of(request.seats)
    if devices != (CPU,):
        _require_cuda(devices)
    session = _session(request, devices[0])
    if request.complete:
        complete(request.config, session)
    check(request.config, session)
    steady = op_types(request.file).isdisjoint(_UNSTEADY)
    sessions = _sessions(request, session)
    executors = [
        _executor(each, seat.device, request.config, steady=steady)
        for each, seat in zip(sessions, request.seats, strict=True)
    ]
    return Loaded(
        f"onnxruntime on {', '.join(devices)}",
        partial(instances, executors),
        partial(_unload, executors),
    )


def _sessions(
    request: LoadRequest, first: onnxruntime.InferenceSession
) -> Iterator[onnxruntime.InferenceSession]:
    """One for each seat; `first` for the first, on its device."""
    shared = {request.seats[0].device: first}
    own = not shares_session(request.config)
    yield first
    for seat in request.seats[1:]:
        if seat.device not in shared or (own and seat.device != CPU):
            shared[seat.device] = _session(request, seat.device)
        yield shared[seat.device]


def _unload(executors: Sequence[Executor]) -> None:
    for executor in executors:
        executor.unload()


def _require_cuda(devices: tuple[str, ...]) -> None:
    if "cuda" not in available_devices():
        raise ServeError(
            Kind.UNAVAILABLE,
            f"{', '.join(devices)} was asked for, but the installed ONNX Runtime "
            f"{onnxruntime.__version__} has no CUDA provider: install onnxruntime-gpu in its place",
        )
    _preload()


@cache
def _preload() -> None:
    """Load the CUDA libraries of the nvidia-* packages, which no loader path leads to."""
    # At each session it warns of a plug-in for the provider that nobody has asked for.
    onnxruntime.set_default_logger_severity(_ERRORS)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it does not find
        onnxruntime.preload_dlls()
    if text := said.getvalue().strip():
        _log.warning("ONNX Runtime's CUDA libraries: %s", " ".join(text.split()))


def _session(request: LoadRequest, device: str) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(
            str(request.file),
            session_options(
                request.config,
                alone=device == CPU and len(request.seats) == 1,
                sessions=len(request.seats),
            ),
            providers=providers(request.config, device),
        )
    except ServeError:
        raise
    except Exception as error:
        raise ServeError(Kind.INTERNAL, f"cannot load {request.file.name}: {error}") from None
    if device != CPU and _CUDA not in session.get_providers():
        # It would go on with the CPU and say so only in its own log.
        raise ServeError(
            Kind.UNAVAILABLE,
            f"ONNX Runtime {onnxruntime.__version__} cannot use {device}: its CUDA libraries do "
            "not load. Install onnxruntime-gpu[cuda,cudnn], or serve with --device cpu",
        )
    return session


def _executor(
    session: onnxruntime.InferenceSession, device: str, config: Any, *, steady: bool
) -> Executor:
    index = gpu_index(device)
    if index is None or texts_of(session):
        return OnnxExecutor(session, steady=steady, large=_large(config))
    # Rows may be added only where requests of several clients share batches anyway.
    mixes = config.WhichOneof("scheduling_choice") == "dynamic_batching"
    fills = mixes and has_batch_dim(session) and not shares_session(config)
    return CudaExecutor(session, index, fill_up_to=config.max_batch_size if fills else 0)


def _large(config: Any) -> bool:
    """Whether an input of a full batch may be so large that malloc takes it from the system."""
    elements = [math.prod(each.dims) for each in config.input if min(each.dims, default=0) > 0]
    most: int = config.max_batch_size * max(elements, default=0)
    return most * _MAX_ELEMENT_BYTES >= MMAP_BYTES
