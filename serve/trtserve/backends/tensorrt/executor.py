"""One instance of a plan: streams, an execution context for each profile, sets of buffers, graphs.

Requests that share a batch are joined in pinned host memory (`room`), from where the GPU fetches
them; a request alone is fetched from where it was read. Then kernels run, and outputs come back
into pinned memory. One wait ends it, the GIL free.

Two batches are in flight, each in a set of buffers of its own, begun by one thread at a time: while
one computes, the next one's inputs come on a copy stream, and its kernels are queued behind. A
batch alone is copied on the stream that computes, which needs no events between streams.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

import numpy as np

from trtbuild.cuda import Cuda, DeviceMemory, PinnedMemory, Stream
from trtbuild.errors import CudaError
from trtserve.backends.known import Binder, Bound
from trtserve.backends.pool import Pool
from trtserve.backends.tensorrt.bound import BoundRuns, bindable
from trtserve.backends.tensorrt.buffers import BufferSet, size_of
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.graphs import Graph
from trtserve.backends.tensorrt.lane import Lane
from trtserve.backends.tensorrt.options import Options
from trtserve.backends.tensorrt.profiles import Shape, Shapes, choose
from trtserve.backends.tensorrt.replays import Replay, Replays
from trtserve.batch import Room
from trtserve.errors import Kind, ServeError
from trtserve.tensors import NUMPY, Array, shape_text

_log = logging.getLogger("trtserve")
# Reserved at load for a profile's largest shapes, each tensor; what is larger grows when needed.
_RESERVED_BYTES = 256 << 20
# Pinned memory is taken from the whole machine: this much for an instance, the rest is pageable.
_MAX_PINNED_BYTES = 1 << 30
_IN_FLIGHT = 2


class TensorRtExecutor:
    """Runs batches of one engine. Made on one thread, then used by others: `depth` at once."""

    steady = False  # it waits for the GPU

    def __init__(
        self, engine: Engine, cuda: Cuda, allowed: Sequence[int], options: Options
    ) -> None:
        """`allowed`: the optimization profiles to use. Raises `CudaError`, `PlanRefused`."""
        self._engine = engine
        self._cuda = cuda
        self._allowed = allowed
        self._options = options
        signature = engine.signature
        self._tensors = {each.name: each for each in (*signature.inputs, *signature.outputs)}
        self._pinned_tensors = {
            each.name
            for tensors, pinned in (
                (signature.inputs, options.pinned_inputs),
                (signature.outputs, options.pinned_outputs),
            )
            for each in tensors
            if pinned
        }
        self._sets: list[BufferSet] = []
        self._unused: list[BufferSet] = []
        self._begin_one = threading.Lock()
        self._lanes: dict[int, Lane] = {}
        self._last: Lane | None = None  # that of the last batch's shapes
        self._replays = Replays(engine.signature, allowed)
        self._memory: DeviceMemory | None = None
        self._bound: BoundRuns | None = None
        self._pool = Pool(self._pinned, _MAX_PINNED_BYTES)
        cuda.use()
        self._stream = Stream(cuda, urgency=options.urgency)
        self._uploads = Stream(cuda, urgency=options.urgency)
        self._downloads = (
            Stream(cuda, urgency=options.urgency) if options.output_stream else self._stream
        )
        try:
            self._open_lanes()
        except Exception:
            self.unload()
            raise

    def _open_lanes(self) -> None:
        self._add_set()
        if len(self._allowed) > 1:  # they share a stream, so they never run at once
            needed = max(map(self._engine.context_memory_bytes, self._allowed))
            self._memory = DeviceMemory(self._cuda, needed)
        for index in self._allowed:
            self._lanes[index] = Lane(
                self._engine, index, self._stream, self._sets[0].buffers,
                graphs=self._options.graphs, memory=self._memory,
            )  # fmt: skip
        # TensorRT asks for the room of an output of unknown size by its name alone.
        if not any(lane.sized_by_data for lane in self._lanes.values()):
            while len(self._sets) < _IN_FLIGHT:
                self._add_set()
        self._unused = self._sets[::-1]
        held = []
        for each in self._sets:
            for lane in self._lanes.values():
                for name, size in lane.largest_bytes.items():
                    # A graph keeps addresses: where there are graphs, nothing may move later.
                    if size <= _RESERVED_BYTES or self._options.graphs:
                        each.buffers[name].reserve(size)
                        held.append(self._host(name, size))  # pinned now, not amid a request
        if self._binds():
            (index,) = self._allowed
            self._bound = BoundRuns(
                self._engine, self._cuda, index, self._stream,
                largest_bytes=self._lanes[index].largest_bytes, captured=self._replays.has,
            )  # fmt: skip

    def _binds(self) -> bool:
        """Whether there may be batches for `BoundRuns`."""
        lanes = [*self._lanes.items()]
        pinned = self._options.pinned_inputs and self._options.pinned_outputs
        if len(lanes) > 1 or not pinned or lanes[0][1].sized_by_data:
            return False
        return bindable(self._engine, lanes[0][0], lanes[0][1].largest_bytes)

    def _add_set(self) -> None:
        self._sets.append(BufferSet(self._cuda, self._tensors, spin=self._options.spin))

    @property
    def depth(self) -> int:
        """How many batches may be in flight, each on a thread of its own."""
        return len(self._sets)

    def _pinned(self, size_bytes: int) -> PinnedMemory:
        self._cuda.use()
        return PinnedMemory(self._cuda, size_bytes)

    @property
    def bind(self) -> Binder | None:
        """For small batches of a model that takes no time to speak of."""
        return self._bind if self._bound is not None else None

    def _bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Bound:
        assert self._bound is not None
        with self._begin_one:  # a capture records whatever is begun on the stream
            return self._bound.bind(inputs, outputs)

    @property
    def room(self) -> Room | None:
        """Pinned memory to gather inputs in, unless `input_pinned_memory` is off."""
        return self._pool.take if self._options.pinned_inputs else None

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch. Raises `ServeError`."""
        try:
            self._cuda.use()
            arrays = {name: self._as_engine(name, array) for name, array in inputs.items()}
            used = self._unused.pop()
            try:
                with self._begin_one:
                    made = self._begin(used, arrays, outputs)
                used.done.wait()
            except BaseException:
                self._settle()  # the GPU may still read these inputs, write these outputs
                raise
            finally:
                self._unused.append(used)
        except CudaError as error:
            raise ServeError(Kind.INTERNAL, f"the GPU failed: {error.message}") from None
        return made

    def _begin(
        self, used: BufferSet, arrays: Mapping[str, Array], outputs: Sequence[str]
    ) -> Mapping[str, Array]:
        """Queue all the GPU's work for a batch; outputs are there once `used.done` is passed."""
        shapes = {name: array.shape for name, array in arrays.items()}
        run = self._replays.find(used, shapes) or self._prepared(used, shapes)
        alone = len(self._unused) == len(self._sets) - 1
        uploads = self._stream if alone else self._uploads
        for name, array in arrays.items():
            uploads.upload(used.buffers[name].address, array)
        if not alone:
            used.uploaded.record(uploads)
            self._stream.wait(used.uploaded)
        run.enqueue()
        if self._downloads is not self._stream:
            used.computed.record(self._stream)
            self._downloads.wait(used.computed)
        made = {name: self._fetched(used, name, run.shape_of(name)) for name in outputs}
        used.done.record(self._downloads)
        return made

    def _settle(self) -> None:
        for stream in (self._uploads, self._stream, self._downloads):
            try:
                stream.synchronize()
            except CudaError as error:
                _log.debug("after a failure: %s", error)  # the failure itself is reported

    def _as_engine(self, name: str, array: Array) -> Array:
        """A contiguous array; a scalar as the engine sees it, where configs have to say [1]."""
        array = np.ascontiguousarray(array)
        return array.reshape(()) if self._tensors[name].shape == () else array

    def _prepared(self, used: BufferSet, shapes: Shapes) -> Lane:
        """The lane for these shapes, with room for them."""
        lane = self._last
        if lane is None or not lane.has(shapes):
            lane = self._lanes[choose(self._engine.signature, self._allowed, shapes)]
            self._last = None  # until it has taken them
            lane.set_shapes(shapes)
            self._last = lane
        lane.place(used.buffers)
        return lane

    def _fetched(self, used: BufferSet, name: str, shape: Shape) -> Array:
        """An output on its way to the host."""
        tensor = self._tensors[name]
        array = self._host(name, size_of(tensor, shape))
        self._downloads.download(array, used.buffers[name].address)
        typed: Array = array.view(NUMPY[tensor.dtype])
        return typed.reshape(shape or (1,))

    def _host(self, name: str, size_bytes: int) -> Array:
        """Host memory for a tensor's bytes, uint8 [size_bytes], as the config wants it."""
        if name in self._pinned_tensors:
            return self._pool.take(size_bytes)
        return np.empty(size_bytes, np.uint8)

    def capture(self, wanted: Sequence[Graph]) -> None:
        """Capture these CUDA graphs; what cannot be is logged."""
        self._cuda.use()
        for graph in wanted:
            runs: dict[BufferSet, Replay] = {}
            try:
                for used in self._sets:
                    runs[used] = self._captured(used, graph.shapes)
                self._replays.add(graph, runs)
            except (CudaError, ServeError) as error:
                for run in runs.values():
                    run.graph.free()
                shapes = graph.shapes.items()
                text = ", ".join(f"{name} {shape_text(each)}" for name, each in shapes)
                _log.warning("no CUDA graph for %s, which runs without one: %s", text, error)

    def _captured(self, used: BufferSet, shapes: Shapes) -> Replay:
        lane = self._prepared(used, shapes)
        if lane.sized_by_data:
            names = ", ".join(lane.sized_by_data)
            raise ServeError(Kind.UNSUPPORTED, f"the shape of output {names} depends on the data")
        for name, shape in shapes.items():
            zeros = np.zeros(size_of(self._tensors[name], shape), np.uint8)  # indices in range
            self._stream.upload(used.buffers[name].address, zeros)
            self._stream.synchronize()
        lane.enqueue()  # what TensorRT does only in a first run must not be captured
        self._stream.synchronize()
        if not lane.capturable:
            raise ServeError(Kind.UNSUPPORTED, "TensorRT says that it cannot be captured")
        with self._stream.capture() as graph:
            lane.enqueue()
        return Replay(self._stream, graph, lane.output_shapes)

    def unload(self) -> None:
        """Free what the instance holds; the engine goes with its last instance."""
        self._cuda.use()
        self._replays.free()
        if self._bound is not None:
            self._bound.free()
        self._lanes.clear()
        self._last = None
        if self._memory is not None:
            self._memory.free()
        for each in self._sets:
            each.free()
        self._sets.clear()
        for stream in {self._stream, self._uploads, self._downloads}:
            stream.free()
        self._pool.close()
        del self._engine
