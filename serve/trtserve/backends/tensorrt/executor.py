"""One instance of a plan: a stream, an execution context for each profile, buffers, graphs.

Requests that share a batch are joined in pinned host memory (`room`), from where the GPU fetches
them; a request alone is fetched from where it was read. Then kernels run, and outputs come back
into pinned memory, all on the instance's stream, in order. One wait ends it, the GIL free. Several
instances of a GPU overlap: one copies while another computes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from trtbuild.cuda import Cuda, Event, Graph, PinnedMemory, Stream
from trtbuild.errors import CudaError
from trtserve.backends.pool import Pool
from trtserve.backends.tensorrt.buffers import Buffer, size_of
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.lane import Lane
from trtserve.backends.tensorrt.options import Options
from trtserve.backends.tensorrt.profiles import Key, Shape, Shapes, choose, key_of
from trtserve.batch import Room
from trtserve.errors import Kind, ServeError
from trtserve.tensors import NUMPY, Array, shape_text

_log = logging.getLogger("trtserve")
# Reserved at load for a profile's largest shapes, each tensor; what is larger grows when needed.
_RESERVED_BYTES = 256 << 20
# Pinned memory is taken from the whole machine: this much for an instance, the rest is pageable.
_MAX_PINNED_BYTES = 1 << 30


class _Replay(NamedTuple):
    """A captured run, used as a `Lane` is."""

    stream: Stream
    graph: Graph
    output_shapes: Mapping[str, Shape]

    def enqueue(self) -> None:
        self.stream.launch(self.graph)

    def shape_of(self, output: str) -> Shape:
        return self.output_shapes[output]


class TensorRtExecutor:
    """Runs batches of one engine. Made on one thread, then used by another."""

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
        self._buffers: dict[str, Buffer] = {}
        self._lanes: dict[int, Lane] = {}
        self._graphs: dict[Key, _Replay] = {}
        self._pool = Pool(self._pinned, _MAX_PINNED_BYTES)
        cuda.use()
        self._stream = Stream(cuda, urgency=options.urgency)
        self._event = Event(cuda, spin=options.spin)
        try:
            self._open_lanes()
        except Exception:
            self.unload()
            raise

    def _open_lanes(self) -> None:
        for name in self._tensors:
            self._buffers[name] = Buffer(self._cuda)
        held = []
        for index in self._allowed:
            lane = self._lanes[index] = Lane(
                self._engine, index, self._stream, self._buffers, graphs=self._options.graphs
            )
            for name, size in lane.largest_bytes.items():
                # A graph keeps addresses: where there are graphs, nothing may move later.
                if size <= _RESERVED_BYTES or self._options.graphs:
                    self._buffers[name].reserve(size)
                    held.append(self._host(name, size))  # pinned now, not amid a request

    def _pinned(self, size_bytes: int) -> PinnedMemory:
        self._cuda.use()
        return PinnedMemory(self._cuda, size_bytes)

    bind = None

    @property
    def room(self) -> Room | None:
        """Pinned memory to gather inputs in, unless `input_pinned_memory` is off."""
        return self._pool.take if self._options.pinned_inputs else None

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch. Raises `ServeError`."""
        try:
            self._cuda.use()
            return self._execute(inputs, outputs)
        except CudaError as error:
            raise ServeError(Kind.INTERNAL, f"the GPU failed: {error}") from None

    def _execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        arrays = {name: self._as_engine(name, array) for name, array in inputs.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        run = self._graphs.get(key_of(self._engine.signature, shapes)) or self._prepared(shapes)
        for name, array in arrays.items():
            self._stream.upload(self._buffers[name].address, array)
        run.enqueue()
        made = {name: self._fetched(name, run.shape_of(name)) for name in outputs}
        self._event.wait_for(self._stream)
        return made

    def _as_engine(self, name: str, array: Array) -> Array:
        """A contiguous array; a scalar as the engine sees it, where configs have to say [1]."""
        array = np.ascontiguousarray(array)
        return array.reshape(()) if self._tensors[name].shape == () else array

    def _prepared(self, shapes: Shapes) -> Lane:
        """The lane for these shapes, with room for them."""
        lane = self._lanes[choose(self._engine.signature, self._allowed, shapes)]
        lane.set_shapes(shapes)
        lane.place()
        return lane

    def _fetched(self, name: str, shape: Shape) -> Array:
        """An output on its way to the host: there once the stream is done."""
        tensor = self._tensors[name]
        array = self._host(name, size_of(tensor, shape))
        self._stream.download(array, self._buffers[name].address)
        typed: Array = array.view(NUMPY[tensor.dtype])
        return typed.reshape(shape or (1,))

    def _host(self, name: str, size_bytes: int) -> Array:
        """Host memory for a tensor's bytes, uint8 [size_bytes], as the config wants it."""
        if name in self._pinned_tensors:
            return self._pool.take(size_bytes)
        return np.empty(size_bytes, np.uint8)

    def capture(self, wanted: Sequence[Shapes]) -> None:
        """Capture a CUDA graph for each of these input shapes; what cannot be is logged."""
        self._cuda.use()
        for shapes in wanted:
            try:
                self._capture(shapes)
            except (CudaError, ServeError) as error:
                text = ", ".join(f"{name} {shape_text(each)}" for name, each in shapes.items())
                _log.warning("no CUDA graph for %s, which runs without one: %s", text, error)

    def _capture(self, shapes: Shapes) -> None:
        lane = self._prepared(shapes)
        if lane.sized_by_data:
            names = ", ".join(lane.sized_by_data)
            raise ServeError(Kind.UNSUPPORTED, f"the shape of output {names} depends on the data")
        for name, shape in shapes.items():
            zeros = np.zeros(size_of(self._tensors[name], shape), np.uint8)  # indices in range
            self._stream.upload(self._buffers[name].address, zeros)
            self._stream.synchronize()
        lane.enqueue()  # what TensorRT does only in a first run must not be captured
        self._stream.synchronize()
        if not lane.capturable:
            raise ServeError(Kind.UNSUPPORTED, "TensorRT says that it cannot be captured")
        with self._stream.capture() as graph:
            lane.enqueue()
        key = key_of(self._engine.signature, shapes)
        self._graphs[key] = _Replay(self._stream, graph, lane.output_shapes)

    def unload(self) -> None:
        """Free what the instance holds; the engine goes with its last instance."""
        self._cuda.use()
        for replay in self._graphs.values():
            replay.graph.free()
        self._graphs.clear()
        self._lanes.clear()
        for buffer in self._buffers.values():
            buffer.free()
        self._buffers.clear()
        self._event.free()
        self._stream.free()
        self._pool.close()
        del self._engine
