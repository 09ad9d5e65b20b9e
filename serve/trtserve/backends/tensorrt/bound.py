"""Runs of small batches in memory of their own, with all that does not change prepared once.

To begin a batch of a few floats takes Python longer than the GPU takes to compute it: making
arrays, taking pinned memory, telling TensorRT shapes and addresses. Here a batch size has its
calls prepared, and a context that keeps shapes and addresses. On an H200 a perceptron took 62 us by
the long way, 143 where each batch had another size than the one before, and 30 so. Contexts share
what lies between layers: they run on one stream, never at once. Where the config asks for CUDA
graphs, copies and kernels of a batch size are one graph.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from trtbuild.cuda import Cuda, DeviceMemory, Event, Graph, PinnedMemory, Stream
from trtserve.backends.known import MAX_BYTES
from trtserve.backends.tensorrt.buffers import Buffer, owned, size_of
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.lane import Lane
from trtserve.backends.tensorrt.profiles import Key, Shapes, key_of
from trtserve.tensors import NUMPY, Array

_CONTEXTS = 32  # of batch sizes; each takes 3 ms to make, when its size has come twice
# A model that needs more, for tensors or between its layers, is none that takes microseconds.
_MAX_MODEL_BYTES = 16 << 20


def bindable(engine: Engine, profile: int, largest_bytes: Mapping[str, int]) -> bool:
    """Whether batches of this profile may be small enough for runs like these.

    `largest_bytes`: of each tensor, in the profile's largest shapes.
    """
    bounds = engine.signature.profiles[profile]
    small = all(
        size_of(each, bounds[each.name].min) <= MAX_BYTES for each in engine.signature.inputs
    )
    needs = sum(largest_bytes.values()) + engine.context_memory_bytes(profile)
    return small and needs <= _MAX_MODEL_BYTES


class BoundRuns:
    """The runs of one instance; one of them is under way at a time."""

    def __init__(
        self, engine: Engine, cuda: Cuda, profile: int, *, urgency: int,
        largest_bytes: Mapping[str, int], captured: Callable[[Shapes], bool],
    ) -> None:  # fmt: skip
        """`captured`: whether batches of these shapes are to run as CUDA graphs.

        Raises `CudaError`.
        """
        self._engine, self._cuda = engine, cuda
        self._profile, self._captured = profile, captured
        self._tensors = {
            each.name: each for each in (*engine.signature.inputs, *engine.signature.outputs)
        }
        self._lanes: OrderedDict[Key, Lane] = OrderedDict()  # the one that was used last, last
        self._graphs: list[Graph] = []
        with ExitStack() as ends:
            self._stream = owned(ends, Stream(cuda, urgency=urgency))
            self._done = owned(ends, Event(cuda, spin=True))
            needed = engine.context_memory_bytes(profile)
            self._memory = owned(ends, DeviceMemory(cuda, needed))
            self._buffers = {name: owned(ends, Buffer(cuda)) for name in self._tensors}
            self._pinned = {
                name: owned(ends, PinnedMemory(cuda, MAX_BYTES)) for name in self._tensors
            }
            for name, buffer in self._buffers.items():  # its address is prepared: it never moves
                buffer.reserve(largest_bytes[name])
            self._ends = ends.pop_all()

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> BoundRun:
        """A run with tensors like those given. Raises `CudaError`, `ServeError`, `PlanRefused`."""
        self._cuda.use()
        shapes = {name: array.shape if self._tensors[name].shape else ()
                  for name, array in inputs.items()}  # fmt: skip
        ins = {name: self._host(name, array) for name, array in inputs.items()}
        outs = {name: self._host(name, array) for name, array in outputs.items()}
        if len(self._lanes) < _CONTEXTS:
            lane = Lane(self._engine, self._profile, self._stream, self._buffers,
                        graphs=True, memory=self._memory)  # fmt: skip
            self._put(lane, key_of(self._engine.signature, shapes), shapes)
        begin = self._begin(shapes, ins, outs)
        return BoundRun(self._cuda, self._done, begin, [*ins.values()], [*outs.values()])

    def _host(self, name: str, like: Array) -> Array:
        """The pinned memory of a tensor, as an array like the one given."""
        array: Array = (
            self._pinned[name].array[: like.nbytes].view(NUMPY[self._tensors[name].dtype])
        )
        return array.reshape(like.shape)

    def _begin(
        self, shapes: Shapes, ins: Mapping[str, Array], outs: Mapping[str, Array]
    ) -> Callable[[], None]:
        stream, buffers = self._stream, self._buffers
        uploads = [stream.prepared_upload(buffers[name].address, _bytes(array))
                   for name, array in ins.items()]  # fmt: skip
        downloads = [stream.prepared_download(_bytes(array), buffers[name].address)
                     for name, array in outs.items()]  # fmt: skip
        key = key_of(self._engine.signature, shapes)

        def queue() -> None:
            for call in uploads:
                call()
            self._lane(key, shapes).enqueue()
            for call in downloads:
                call()

        record = self._done.prepared_record(stream)
        run = self._graph(queue, self._lane(key, shapes)) if self._captured(shapes) else queue

        def begin() -> None:
            run()
            record()

        return begin

    def _graph(self, queue: Callable[[], None], lane: Lane) -> Callable[[], None]:
        queue()  # what TensorRT does only in a first run must not be captured
        self._stream.synchronize()
        if not lane.capturable:
            return queue
        with self._stream.capture() as graph:
            queue()
        self._graphs.append(graph)
        return self._stream.prepared_launch(graph)

    def _lane(self, key: Key, shapes: Shapes) -> Lane:
        """A context that is set to these shapes: one that was, else the one least used."""
        lane = self._lanes.get(key)
        if lane is None:
            return self._put(self._lanes.popitem(last=False)[1], key, shapes)
        self._lanes.move_to_end(key)
        return lane

    def _put(self, lane: Lane, key: Key, shapes: Shapes) -> Lane:
        lane.set_shapes(shapes)
        lane.place(self._buffers)
        self._lanes[key] = lane
        return lane

    def free(self) -> None:
        """Give everything back; nothing is under way, and no run is used any more."""
        for graph in self._graphs:
            graph.free()
        self._lanes.clear()
        self._ends.close()


class BoundRun:
    """Begins and awaits batches of one size: see `trtserve.backends.known.Bound`."""

    def __init__(
        self, cuda: Cuda, done: Event, begin: Callable[[], None], inputs: Sequence[Array],
        outputs: Sequence[Array],
    ) -> None:  # fmt: skip
        self.inputs, self.outputs = inputs, outputs
        self._use, self._queue = cuda.use, begin
        self.passed, self.wait = done.passed, done.wait

    def begin(self) -> None:
        """Queue all the GPU's work for what lies in `inputs`. Raises `CudaError`, `ServeError`."""
        self._use()
        self._queue()


def _bytes(array: Array) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return array.reshape(-1).view(np.uint8)
