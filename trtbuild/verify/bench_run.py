"""Measure a plan on its GPU by trtexec's method. Runs in worker processes only.

Source of the method: NVIDIA/TensorRT, samples/common/sampleInference.cpp (`Iteration`,
`inferenceLoop`). See `bench_lane` for what a query is.
"""

from __future__ import annotations

import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from trtbuild.artifacts import to_json
from trtbuild.cuda import Cuda, Stream
from trtbuild.cuda_timing import Mark
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import UsageError
from trtbuild.verify.bench_lane import Lane, lane
from trtbuild.verify.engine import Engine, Execution
from trtbuild.verify.timing import (
    BenchOptions,
    LayerTime,
    Measurement,
    Query,
    Shapes,
    layer_times,
    measurement,
)
from trtbuild.workers.child import report

Array = np.ndarray[Any, np.dtype[Any]]
Profile = dict[str, tuple[tuple[int, ...], ...]]  # input -> min, opt, max

_SEED = 0
_INTEGERS_BELOW = 2  # 0 and 1 are in every table and mask
_LAYER_WARM_UP, _LAYER_RUNS = 5, 50


def measure(plan: Path, module: str, options: BenchOptions, loading: Loading) -> list[Measurement]:
    """Measure the plan file with the runtime `module`, once for each batch that is asked for.

    Raises `UsageError` for shapes that the plan does not take, `PlanError` where it does not load
    as `loading` says, `VerificationError` where it does not run, `CudaError` where the GPU cannot
    be used.
    """
    with Cuda() as cuda:
        engine = Engine(module, plan, cuda, loading)
        profiles = profiles_of(engine)
        wanted = [
            shapes_of(profiles, batch, options.shapes) for batch in options.batches or (None,)
        ]
        found = []
        for profile, shapes in wanted:
            report("bench", f"{to_json(shapes).decode()}")
            found.append(_measured(engine, profile, shapes, options))
        return found


def profiles_of(engine: Engine) -> list[Profile]:
    """The shapes of every input in each optimization profile."""
    return [
        {
            name: tuple(map(tuple, engine.handle.get_tensor_profile_shape(name, index)))
            for name in engine.inputs
        }
        for index in range(engine.handle.num_optimization_profiles)
    ]


def shapes_of(profiles: list[Profile], batch: int | None, given: Shapes) -> tuple[int, Shapes]:
    """The shapes to run with, and the first profile that takes them.

    An input has the shape that is given, else the profile's usual one with `batch` as its first
    dim where that varies. Raises `UsageError` where no profile takes them.
    """
    if unknown := sorted(given.keys() - profiles[0].keys()):
        raise UsageError(
            f"--shapes names input '{unknown[0]}'; the plan has {', '.join(profiles[0])}"
        )
    for index, profile in enumerate(profiles):
        shapes = {
            name: given.get(name) or _with_batch(sizes, batch) for name, sizes in profile.items()
        }
        varies = any(low[:1] != high[:1] for low, _, high in profile.values())
        asked = batch is None or varies or all(s[:1] == (batch,) for s in shapes.values())
        if asked and all(_within(shapes[name], *sizes) for name, sizes in profile.items()):
            return index, shapes
    what = f"a batch of {batch}" if batch is not None else "these shapes"
    ranges = "; ".join(
        ", ".join(f"{name} {_text(low)} to {_text(high)}" for name, (low, _, high) in each.items())
        for each in profiles
    )
    raise UsageError(
        f"the plan does not take {what}: it takes {ranges}",
        "give sizes within with --batch or --shapes",
    )


def _with_batch(sizes: tuple[tuple[int, ...], ...], batch: int | None) -> tuple[int, ...]:
    low, usual, high = sizes
    if batch is None or low[:1] == high[:1]:
        return usual
    return (batch, *usual[1:])


def _within(shape: tuple[int, ...], low: Any, _usual: Any, high: Any) -> bool:
    return len(shape) == len(low) and all(
        a <= size <= b for a, size, b in zip(low, shape, high, strict=True)
    )


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _measured(engine: Engine, profile: int, shapes: Shapes, options: BenchOptions) -> Measurement:
    inputs = {name: _values(name, shape, engine) for name, shape in shapes.items()}
    with ExitStack() as opened:
        lanes = [
            opened.enter_context(lane(engine, profile, inputs, options))
            for _ in range(options.streams)
        ]
        queries = _loop(engine.cuda, lanes, options)
        notes = tuple(dict.fromkeys(each.note for each in lanes if each.note))
        graph = all(each.graph is not None for each in lanes)
    layers = _layers(engine, profile, inputs) if options.layers else ()
    return measurement(queries, shapes, options, cuda_graph=graph, notes=notes, layers=layers)


def _values(name: str, shape: tuple[int, ...], engine: Engine) -> Array:
    """Seeded. Floats are standard normal: zeros take a GPU less power and time. Integers: 0, 1."""
    random = np.random.default_rng([_SEED, zlib.crc32(name.encode())])
    if "int" in engine.dtype(name) or engine.dtype(name) == "bool":
        return random.integers(_INTEGERS_BELOW, size=shape)
    return random.standard_normal(shape, np.float32)


def _loop(cuda: Cuda, lanes: list[Lane], options: BenchOptions) -> list[Query]:
    """Queries on all lanes in turn, until there are enough and the time is over."""
    main, start = Stream(cuda), Mark(cuda)
    start.record(main)
    for each in lanes:
        each.begin(start)
    queries: list[Query] = []
    end_ms = options.warm_up_ms + options.seconds * 1000
    elapsed_ms, skipped, done = 0.0, 0, 0
    while done < options.iterations + skipped or elapsed_ms < end_ms:
        for each in lanes:
            each.query()
        for each in lanes:
            if (query := each.next_done(start)) is not None:
                queries.append(query)
                elapsed_ms = max(elapsed_ms, query.compute_begin)
        if 0 < elapsed_ms < options.warm_up_ms:
            skipped += 1
        done += 1
    for each in lanes:
        queries += each.rest(start)
    start.free()
    main.free()
    return queries


def _layers(engine: Engine, profile: int, inputs: dict[str, Array]) -> tuple[LayerTime, ...]:
    """The time of each layer, from TensorRT's profiler, in runs of their own."""
    reports: list[tuple[str, float]] = []
    execution = Execution(engine, profile)
    execution.bind(inputs)
    execution.upload()
    execution.context.profiler = _profiler(engine.trt, reports)
    for run in range(_LAYER_WARM_UP + _LAYER_RUNS):
        execution.enqueue()
        execution.stream.synchronize()
        if run + 1 == _LAYER_WARM_UP:
            reports.clear()
    execution.free()
    return layer_times(reports, _LAYER_RUNS)


def _profiler(trt: Any, reports: list[tuple[str, float]]) -> Any:
    class Profiler(trt.IProfiler):  # type: ignore[misc] # the bindings have no types
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            reports.append((layer_name, ms))

    return Profiler()
