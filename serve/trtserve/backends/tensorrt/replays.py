"""CUDA graphs that were captured, and which of them runs a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trtbuild.cuda import Graph as CudaGraph
from trtbuild.cuda import Stream
from trtserve.backends.tensorrt.graphs import Graph, graph_for
from trtserve.backends.tensorrt.profiles import Key, Shape, Shapes, Signature, choose, key_of
from trtserve.backends.tensorrt.slot import Slot


class Replay(NamedTuple):
    """A captured run, used as a `Lane` is."""

    stream: Stream
    graph: CudaGraph
    output_shapes: Mapping[str, Shape]

    def enqueue(self) -> None:
        """Begin to run. Raises `CudaError`."""
        self.stream.launch(self.graph)

    def shape_of(self, output: str) -> Shape:
        """The shape of an output."""
        return self.output_shapes[output]

    def of_rows(self, rows: int) -> Replay:
        """The same run for a smaller batch, whose outputs are its first rows."""
        shapes = {name: (rows, *shape[1:]) for name, shape in self.output_shapes.items()}
        return self._replace(output_shapes=shapes)


class Replays:
    """The graphs of one instance: each was captured in each of its slots."""

    def __init__(self, signature: Signature, allowed: Sequence[int]) -> None:
        self._signature = signature
        self._allowed = allowed
        self._exact: dict[tuple[Slot, Key], Replay] = {}
        self._wide: dict[int, list[Graph]] = {}  # by profile: those that serve smaller batches

    def add(self, graph: Graph, runs: Mapping[Slot, Replay]) -> None:
        """A graph is there; `runs` has one for each slot."""
        key = key_of(self._signature, graph.shapes)
        for slot, run in runs.items():
            self._exact[slot, key] = run
        if any(0 < graph.lowest < shape[0] for shape in graph.shapes.values() if shape):
            profile = choose(self._signature, self._allowed, graph.shapes)
            self._wide.setdefault(profile, []).append(graph)

    def has(self, shapes: Shapes) -> bool:
        """Whether these very shapes were captured."""
        key = key_of(self._signature, shapes)
        return any(each == key for _, each in self._exact)

    def find(self, slot: Slot, shapes: Shapes) -> Replay | None:
        """What runs a batch of these input shapes, None: no graph. Raises `ServeError`."""
        found = self._exact.get((slot, key_of(self._signature, shapes)))
        if found is not None or not self._wide:
            return found
        profile = choose(self._signature, self._allowed, shapes)
        graph = graph_for(self._wide.get(profile, ()), shapes)
        if graph is None:
            return None
        rows = next(shape[0] for shape in shapes.values() if shape)
        return self._exact[slot, key_of(self._signature, graph.shapes)].of_rows(rows)

    def free(self) -> None:
        """Destroy them."""
        for run in self._exact.values():
            run.graph.free()
        self._exact.clear()
        self._wide.clear()
