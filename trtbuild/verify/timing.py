"""What a measurement of a plan asks for and what it gives. Pure and light; times in ms.

The words and figures are trtexec's (NVIDIA/TensorRT, samples/common/sampleReporting.cpp), so that
they can be laid beside those that a team has kept from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

Shapes = dict[str, tuple[int, ...]]

# Above this share of the GPU's time a query's enqueue may bound the throughput: trtexec's figure.
_ENQUEUE_BOUND = 0.8


class BenchOptions(msgspec.Struct, frozen=True):
    """How to measure; the defaults are trtexec's."""

    batches: tuple[int, ...] = ()  # () and no shapes: the profile's usual shapes
    shapes: Shapes = {}  # inputs named here are given so, the others as `batches` has it
    streams: int = 1  # contexts that compute at the same time
    cuda_graph: bool = False
    spin: bool = False  # the host's thread waits awake
    copies: bool = True  # inputs go to the GPU and outputs come back, each time
    seconds: float = 3.0  # at least
    warm_up_ms: float = 200.0  # what begins earlier is not counted
    iterations: int = 10  # at least
    layers: bool = False  # also each layer's time


class Query(msgspec.Struct, frozen=True):
    """One run: when it began and ended by the GPU's clock, and how long its parts took."""

    begin: float
    compute_begin: float
    end: float
    enqueue: float  # the host's time for the call that starts it
    upload: float
    compute: float
    download: float

    @property
    def latency(self) -> float:
        """Of its parts together; what it waited for the query before it is not among them."""
        return self.upload + self.compute + self.download


class Figures(msgspec.Struct, frozen=True):
    """One quantity over all queries, in ms."""

    min: float
    mean: float
    median: float
    p90: float
    p95: float
    p99: float
    max: float


class LayerTime(msgspec.Struct, frozen=True):
    """A layer's mean time, measured with TensorRT's profiler on, which costs time itself."""

    name: str
    milliseconds: float
    share: float  # of all layers, 0 to 1


class Measurement(msgspec.Struct, frozen=True):
    """One set of shapes."""

    shapes: Shapes
    batch: int | None  # the first dim that all inputs share; None: they do not
    streams: int
    cuda_graph: bool  # the plan was launched as a graph
    copies: bool
    queries: int
    seconds: float  # from the first query's begin to the last one's end
    throughput: float  # queries a second
    latency: Figures
    enqueue: Figures
    upload: Figures
    compute: Figures
    download: Figures
    notes: tuple[str, ...] = ()
    layers: tuple[LayerTime, ...] = ()

    @property
    def samples_per_second(self) -> float:
        """Throughput in samples; in queries where there is no batch."""
        return self.throughput * (self.batch or 1)


class Bench(msgspec.Struct, frozen=True):
    """All measurements of one plan."""

    plan: str
    digest: str  # of the plan file
    runtime: str
    runtime_version: str  # of the one that ran it
    gpu: str
    options: BenchOptions
    measurements: tuple[Measurement, ...]


def figures(values: Iterable[float]) -> Figures:
    """The figures of at least one value."""
    ascending = sorted(values)
    return Figures(
        min=ascending[0],
        mean=math.fsum(ascending) / len(ascending),
        median=_median(ascending),
        p90=percentile(ascending, 90),
        p95=percentile(ascending, 95),
        p99=percentile(ascending, 99),
        max=ascending[-1],
    )


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The value that `percent` of all do not exceed, as trtexec counts: an element, no mean."""
    excluded = int((1 - percent / 100) * len(ascending) + 1e-9)  # 20 of 200 may be 19.99...
    return ascending[max(len(ascending) - 1 - excluded, 0)]


def _median(ascending: Sequence[float]) -> float:
    middle = len(ascending) // 2
    if len(ascending) % 2:
        return ascending[middle]
    return (ascending[middle - 1] + ascending[middle]) / 2


def counted(queries: Sequence[Query], warm_up_ms: float) -> list[Query]:
    """The queries in order of their begin, from the first that computed after the warm-up on."""
    ordered = sorted(queries, key=lambda query: query.begin)
    for index, query in enumerate(ordered):
        if query.compute_begin >= warm_up_ms:
            return ordered[index:]
    return []


def measurement(
    queries: Sequence[Query],
    shapes: Shapes,
    options: BenchOptions,
    *,
    cuda_graph: bool,
    notes: tuple[str, ...] = (),
    layers: tuple[LayerTime, ...] = (),
) -> Measurement:
    """The figures of `queries`, at least one of them after the warm-up."""
    kept = counted(queries, options.warm_up_ms)
    seconds = (kept[-1].end - kept[0].begin) / 1000
    found = Measurement(
        shapes=shapes,
        batch=batch_of(shapes),
        streams=options.streams,
        cuda_graph=cuda_graph,
        copies=options.copies,
        queries=len(kept),
        seconds=seconds,
        throughput=len(kept) / seconds,
        latency=figures(query.latency for query in kept),
        enqueue=figures(query.enqueue for query in kept),
        upload=figures(query.upload for query in kept),
        compute=figures(query.compute for query in kept),
        download=figures(query.download for query in kept),
        layers=layers,
    )
    return msgspec.structs.replace(found, notes=(*notes, *bounds(found)))


def bounds(found: Measurement) -> tuple[str, ...]:
    """What but the GPU's computing may bound the throughput, by trtexec's rules."""
    compute = found.compute.median
    told = []
    if found.enqueue.median > _ENQUEUE_BOUND * compute:
        more = "" if found.cuda_graph else "; --cuda-graph may help"
        told.append(f"the host's enqueue time may bound the throughput{more}")
    for name, copy in (("inputs", found.upload), ("outputs", found.download)):
        if found.copies and copy.median >= compute:
            told.append(f"copying {name} may bound the throughput; --no-copies leaves it out")
    return tuple(told)


def batch_of(shapes: Shapes) -> int | None:
    """The first dim where all inputs have the same."""
    firsts = {shape[0] if shape else None for shape in shapes.values()}
    return firsts.pop() if len(firsts) == 1 else None


def layer_times(reports: Sequence[tuple[str, float]], runs: int) -> tuple[LayerTime, ...]:
    """Mean times from what TensorRT's profiler said in `runs` runs, in the layers' order."""
    totals: dict[str, float] = {}
    for name, milliseconds in reports:
        totals[name] = totals.get(name, 0.0) + milliseconds
    whole = math.fsum(totals.values()) or 1.0
    return tuple(LayerTime(name, ms / runs, ms / whole) for name, ms in totals.items())
