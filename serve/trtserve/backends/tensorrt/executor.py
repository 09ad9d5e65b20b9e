"""One instance of a plan: what batches in flight have each to themselves, graphs, small runs.

Requests that share a batch are joined in pinned host memory (`room`), from where the GPU fetches
them; a request alone is fetched from where it was read. Then kernels run, and outputs come back
into pinned memory. One wait ends it, the GIL free.

Up to three batches are in flight, each in a slot of its own with a stream and contexts: while one
computes, the next one's inputs come. Its kernels begin behind those of the batch before: batches
that compute side by side end side by side, and nothing computes while their clients hear of it.
Only the largest batches, behind which more wait as a rule, compute side by side, where kernels of
one leave room for those of the other: 7 to 15 % more of an H200. Where contexts need much memory,
slots share it, and all kernels wait their turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np

from trtbuild.cuda import Cuda, DeviceMemory, Event, PinnedMemory
from trtbuild.errors import CudaError
from trtserve.backends.known import Binder
from trtserve.backends.pool import Pool
from trtserve.backends.tensorrt.bound import BoundRuns, bindable
from trtserve.backends.tensorrt.buffers import size_of
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.graphs import Graph
from trtserve.backends.tensorrt.options import Options
from trtserve.backends.tensorrt.profiles import Key, Shape, Shapes, key_of, largest_batch
from trtserve.backends.tensorrt.replays import Replay, Replays
from trtserve.backends.tensorrt.slot import Plan, Slot, context_bytes
from trtserve.batch import Room
from trtserve.errors import Kind, ServeError
from trtserve.plans import PlanRefused
from trtserve.processors import processors
from trtserve.tensors import NUMPY, Array, shape_text

_log = logging.getLogger("trtserve")
# Pinned memory is taken from the whole machine: this much for an instance, the rest is pageable.
_MAX_PINNED_BYTES = 1 << 30
_IN_FLIGHT = 3
# Slots have context memory of their own where a second block leaves so much of the GPU's free.
_SHARE_OF_FREE = 1 / 8
# A batch alone that takes less, as far as known, is waited for awake: to be woken takes 90 us.
_AWAKE_NS = 1_500_000
_SPARE_PROCESSORS = processors() >= 4  # one for the loop, one for what else there is
_MOST_KNOWN = 1024  # clients may vary shapes forever


class TensorRtExecutor:
    """Runs batches of one engine. Made on one thread, then used by others: `depth` at once."""

    steady = False  # it waits for the GPU

    def __init__(
        self, engine: Engine, cuda: Cuda, allowed: Sequence[int], options: Options
    ) -> None:
        """`allowed`: the optimization profiles to use. Raises `CudaError`, `PlanRefused`."""
        self._engine = engine
        self._cuda = cuda
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
        self._slots: list[Slot] = []
        self._unused: list[Slot] = []
        self._largest = largest_batch(signature, allowed)
        self._shared = False  # slots have one block of context memory
        self._computed: Event | None = None  # the end of the kernels that were begun last
        self._took_ns: dict[Key, int] = {}  # batches that were alone, by their shapes
        self._begin_one = threading.Lock()
        self._replays = Replays(engine.signature, allowed)
        self._bound: BoundRuns | None = None
        self._pool = Pool(self._pinned, _MAX_PINNED_BYTES)
        cuda.use()
        try:
            self._open(Plan(engine, cuda, allowed, options))
        except Exception:
            self.unload()
            raise

    def _open(self, plan: Plan) -> None:
        held = self._add_slot(plan, None)
        first = self._slots[0]
        # TensorRT asks for the room of an output of unknown size by its name alone.
        if not first.sized_by_data:
            free, _ = plan.cuda.memory()
            self._shared = context_bytes(plan.engine, plan.allowed) > free * _SHARE_OF_FREE
            try:
                while len(self._slots) < _IN_FLIGHT:
                    held += self._add_slot(plan, first.memory if self._shared else None)
            except (CudaError, PlanRefused) as error:
                _log.info("%d batches in flight, no more: %s", len(self._slots), error)
        del held  # pinned now, not amid a request
        self._unused = self._slots[::-1]
        self._bound = self._bound_runs(plan)

    def _add_slot(self, plan: Plan, memory: DeviceMemory | None) -> list[object]:
        """One more, with room for the largest batches, or an error; returns the host's."""
        slot = Slot(plan, memory)
        try:
            # A graph keeps addresses: where there are graphs, nothing may move later.
            held = slot.reserve(self._host, all_of_it=plan.options.graphs)
        except CudaError:
            slot.free()
            raise
        self._slots.append(slot)
        return held

    def _bound_runs(self, plan: Plan) -> BoundRuns | None:
        """For small batches like one before, where there may be any."""
        pinned = plan.options.pinned_inputs and plan.options.pinned_outputs
        if len(plan.allowed) > 1 or not pinned or self._slots[0].sized_by_data:
            return None
        (index,) = plan.allowed
        largest = self._slots[0].largest_bytes
        if not bindable(plan.engine, index, largest):
            return None
        try:
            return BoundRuns(
                plan.engine, plan.cuda, index,
                urgency=plan.options.urgency, largest_bytes=largest, captured=self._replays.has,
            )  # fmt: skip
        except CudaError as error:
            _log.info("small batches run as all others: %s", error)
            return None

    @property
    def depth(self) -> int:
        """How many batches may be in flight, each on a thread of its own."""
        return len(self._slots)

    def _pinned(self, size_bytes: int) -> PinnedMemory:
        self._cuda.use()
        return PinnedMemory(self._cuda, size_bytes)

    @property
    def bind(self) -> Binder | None:
        """For small batches of a model that takes no time to speak of."""
        return self._bound.bind if self._bound is not None else None

    @property
    def room(self) -> Room | None:
        """Pinned memory to gather inputs in, unless `input_pinned_memory` is off."""
        return self._pool.take if self._options.pinned_inputs else None

    def execute(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run one batch. Raises `ServeError`."""
        try:
            self._cuda.use()
            arrays = {name: self._as_engine(name, array) for name, array in inputs.items()}
            slot = self._unused.pop()
            try:
                shapes = {name: array.shape for name, array in arrays.items()}
                alone = len(self._unused) == len(self._slots) - 1
                took = self._took_ns.get(key_of(self._engine.signature, shapes), _AWAKE_NS)
                began = time.monotonic_ns()
                made = self._begin(slot, arrays, outputs, shapes)
                slot.wait(awake=alone and took < _AWAKE_NS and _SPARE_PROCESSORS)
                if alone:
                    self._note(shapes, time.monotonic_ns() - began)
            except BaseException:
                slot.settle()  # the GPU may still read these inputs, write these outputs
                raise
            finally:
                self._unused.append(slot)
        except CudaError as error:
            raise ServeError(Kind.INTERNAL, f"the GPU failed: {error.message}") from None
        return made

    def _begin(
        self, slot: Slot, arrays: Mapping[str, Array], outputs: Sequence[str], shapes: Shapes
    ) -> Mapping[str, Array]:
        """Queue all the GPU's work for a batch; `slot.wait` waits for it."""
        run = self._replays.find(slot, shapes) or slot.lane(shapes)
        for name, array in arrays.items():
            slot.stream.upload(slot.buffers[name].address, array)
        largest = bool(self._largest) and all(
            shape[:1] == (self._largest,) for shape in shapes.values()
        )
        with self._begin_one:
            if self._computed is not None and (self._shared or not largest):
                slot.stream.wait(self._computed)
            run.enqueue()
            slot.computed.record(slot.stream)
            self._computed = slot.computed
        return {name: self._fetched(slot, name, run.shape_of(name)) for name in outputs}

    def _note(self, shapes: Shapes, took_ns: int) -> None:
        """Remember how long a batch takes that has the GPU to itself, as far as we know."""
        if len(self._took_ns) >= _MOST_KNOWN:
            self._took_ns.clear()
        key = key_of(self._engine.signature, shapes)
        self._took_ns[key] = (7 * self._took_ns.get(key, took_ns) + took_ns) // 8

    def _as_engine(self, name: str, array: Array) -> Array:
        """A contiguous array; a scalar as the engine sees it, where configs have to say [1]."""
        array = np.ascontiguousarray(array)
        return array.reshape(()) if self._tensors[name].shape == () else array

    def _fetched(self, slot: Slot, name: str, shape: Shape) -> Array:
        """An output on its way to the host."""
        tensor = self._tensors[name]
        array = self._host(name, size_of(tensor, shape))
        slot.stream.download(array, slot.buffers[name].address)
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
            runs: dict[Slot, Replay] = {}
            try:
                for slot in self._slots:
                    runs[slot] = self._captured(slot, graph.shapes)
                self._replays.add(graph, runs)
            except (CudaError, ServeError) as error:
                for run in runs.values():
                    run.graph.free()
                shapes = graph.shapes.items()
                text = ", ".join(f"{name} {shape_text(each)}" for name, each in shapes)
                _log.warning("no CUDA graph for %s, which runs without one: %s", text, error)

    def _captured(self, slot: Slot, shapes: Shapes) -> Replay:
        lane, stream = slot.lane(shapes), slot.stream
        if lane.sized_by_data:
            names = ", ".join(lane.sized_by_data)
            raise ServeError(Kind.UNSUPPORTED, f"the shape of output {names} depends on the data")
        for name, shape in shapes.items():
            zeros = np.zeros(size_of(self._tensors[name], shape), np.uint8)  # indices in range
            stream.upload(slot.buffers[name].address, zeros)
            stream.synchronize()
        lane.enqueue()  # what TensorRT does only in a first run must not be captured
        stream.synchronize()
        if not lane.capturable:
            raise ServeError(Kind.UNSUPPORTED, "TensorRT says that it cannot be captured")
        with stream.capture() as graph:
            lane.enqueue()
        return Replay(stream, graph, lane.output_shapes)

    def unload(self) -> None:
        """Free what the instance holds; the engine goes with its last instance."""
        self._cuda.use()
        self._replays.free()
        if self._bound is not None:
            self._bound.free()
        for slot in self._slots:
            slot.free()
        self._slots.clear()
        self._pool.close()
        del self._engine
