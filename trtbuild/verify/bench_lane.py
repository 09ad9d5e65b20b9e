"""One context of a plan with its queries under way, for measuring. In worker processes only.

A query is upload, compute, download, on three streams that wait for each other by events; a lane
has two queries under way, so that copies hide behind computing. Times are the GPU's own, between
events; the enqueue time is the host's. Source of the method: NVIDIA/TensorRT,
samples/common/sampleInference.cpp (`Iteration`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from trtbuild.cuda import Cuda, Graph, Stream
from trtbuild.cuda_timing import Mark
from trtbuild.errors import CudaError, VerificationError
from trtbuild.verify.engine import Engine, Execution
from trtbuild.verify.timing import BenchOptions, Query

Array = np.ndarray[Any, np.dtype[Any]]

_DEPTH = 2  # queries of a lane under way: trtexec's double buffer


class Lane:
    """One context, its three streams, and its queries under way."""

    def __init__(self, engine: Engine, execution: Execution, options: BenchOptions) -> None:
        self._execution = execution
        self._copies = options.copies
        self._up, self._down = Stream(engine.cuda), Stream(engine.cuda)
        self._slots = [_Slot(engine.cuda, spin=options.spin) for _ in range(_DEPTH)]
        self._next = 0
        self.graph: Graph | None = None
        self.note = ""
        if options.cuda_graph:
            self._capture()

    def _capture(self) -> None:
        """Record the plan as a graph; some plans do things that cannot be recorded."""
        execution = self._execution
        execution.enqueue()  # what happens once must not be part of the graph
        execution.stream.synchronize()
        try:
            with execution.stream.capture() as graph:
                execution.enqueue()
        except (CudaError, VerificationError) as error:
            self.note = f"no CUDA graph, the plan cannot be captured: {error.message}"
            return
        self.graph = graph

    def begin(self, start: Mark) -> None:
        """Nothing of this lane begins before `start`."""
        start.hold(self._up)
        start.hold(self._execution.stream)

    def query(self) -> None:
        """Begin a query, unless the slot that is its turn is still under way."""
        slot, compute = self._slots[self._next], self._execution.stream
        if slot.active:
            return
        if self._copies:
            slot.upload_begin.record(self._up)
            self._execution.upload(self._up)
            slot.upload_end.record(self._up)
            slot.upload_end.hold(compute)
        slot.compute_begin.record(compute)
        before = time.perf_counter()
        if self.graph is None:
            self._execution.enqueue()
        else:
            compute.launch(self.graph)
        slot.enqueue_ms = (time.perf_counter() - before) * 1000
        slot.compute_end.record(compute)
        if self._copies:
            slot.compute_end.hold(self._down)
            slot.download_begin.record(self._down)
            self._execution.download(self._down)
            slot.download_end.record(self._down)
        slot.active = True
        self._next = (self._next + 1) % _DEPTH

    def next_done(self, start: Mark) -> Query | None:
        """Wait for the query that began longest ago; None where that slot is free."""
        slot = self._slots[self._next]
        if not slot.active:
            return None
        slot.active = False
        return slot.query(start, copies=self._copies)

    def rest(self, start: Mark) -> Iterator[Query]:
        """Wait for all that is under way."""
        for _ in range(_DEPTH):
            if (query := self.next_done(start)) is not None:
                yield query
            self._next = (self._next + 1) % _DEPTH

    def free(self) -> None:
        """Give everything back."""
        for slot in self._slots:
            slot.free()
        if self.graph is not None:
            self.graph.free()
        self._up.free()
        self._down.free()
        self._execution.free()


@contextmanager
def lane(
    engine: Engine, profile: int, inputs: Mapping[str, Array], options: BenchOptions
) -> Iterator[Lane]:
    """A lane whose inputs are on the GPU; freed in the end."""
    execution = Execution(engine, profile)
    execution.bind(inputs)
    execution.upload()
    execution.stream.synchronize()
    made = Lane(engine, execution, options)
    try:
        yield made
    finally:
        engine.cuda.synchronize()
        made.free()


class _Slot:
    """The events of one query."""

    def __init__(self, cuda: Cuda, *, spin: bool) -> None:
        marks = [Mark(cuda, spin=spin) for _ in range(6)]
        self.upload_begin, self.upload_end, self.compute_begin = marks[:3]
        self.compute_end, self.download_begin, self.download_end = marks[3:]
        self.enqueue_ms = 0.0
        self.active = False

    def query(self, start: Mark, *, copies: bool) -> Query:
        """Wait for its end, and read the times."""
        first, last = self.compute_begin, self.compute_end
        if copies:
            first, last = self.upload_begin, self.download_end
        last.wait()
        return Query(
            begin=first.milliseconds_since(start),
            compute_begin=self.compute_begin.milliseconds_since(start),
            end=last.milliseconds_since(start),
            enqueue=self.enqueue_ms,
            upload=self.upload_end.milliseconds_since(self.upload_begin) if copies else 0.0,
            compute=self.compute_end.milliseconds_since(self.compute_begin),
            download=self.download_end.milliseconds_since(self.download_begin) if copies else 0.0,
        )

    def free(self) -> None:
        for mark in (
            self.upload_begin, self.upload_end, self.compute_begin, self.compute_end,
            self.download_begin, self.download_end,
        ):  # fmt: skip
            mark.free()
