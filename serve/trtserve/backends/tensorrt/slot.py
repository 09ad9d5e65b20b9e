"""What one batch in flight has to itself: a stream, a context a profile, buffers, an event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from trtbuild.cuda import Cuda, DeviceMemory, Event, Stream
from trtbuild.errors import CudaError
from trtserve.backends.tensorrt.buffers import Buffer, owned
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.lane import Lane
from trtserve.backends.tensorrt.options import Options
from trtserve.backends.tensorrt.profiles import Shapes, choose

_log = logging.getLogger("trtserve")
# Reserved at load for a profile's largest shapes, each tensor; what is larger grows when needed.
_RESERVED_BYTES = 256 << 20


class Plan(NamedTuple):
    """What slots are made of."""

    engine: Engine
    cuda: Cuda
    allowed: Sequence[int]  # optimization profiles
    options: Options


class Slot:
    """Its batches run one after the other; those of other slots run beside them."""

    def __init__(self, plan: Plan, memory: DeviceMemory | None) -> None:
        """`memory`: of another slot, for what lies between layers; None: its own.

        Raises `CudaError`, `PlanRefused`; then nothing is left of it.
        """
        self._engine, cuda, self._allowed, options = plan
        inputs, outputs = self._engine.signature[:2]
        self._lanes: dict[int, Lane] = {}
        self._last: Lane | None = None  # that of the last batch's shapes
        with ExitStack() as ends:
            self.stream = owned(ends, Stream(cuda, urgency=options.urgency))
            self.computed = owned(ends, Event(cuda))  # outputs are there
            self.done = owned(ends, Event(cuda, spin=options.spin))  # outputs are on the host
            self.done_awake = owned(ends, Event(cuda, spin=True))  # the same
            self.buffers = {each.name: owned(ends, Buffer(cuda)) for each in (*inputs, *outputs)}
            if memory is None:
                needed = context_bytes(self._engine, self._allowed)
                memory = owned(ends, DeviceMemory(cuda, needed))
            self.memory = memory
            for index in self._allowed:  # they share the stream, so they never run at once
                self._lanes[index] = Lane(
                    self._engine, index, self.stream, self.buffers,
                    graphs=options.graphs, memory=memory,
                )  # fmt: skip
            self._ends = ends.pop_all()

    @property
    def sized_by_data(self) -> bool:
        """There is an output whose shape only a run tells."""
        return any(lane.sized_by_data for lane in self._lanes.values())

    @property
    def largest_bytes(self) -> dict[str, int]:
        """Of each tensor whose size shapes tell, in the profiles' largest shapes."""
        found: dict[str, int] = {}
        for lane in self._lanes.values():
            for name, size in lane.largest_bytes.items():
                found[name] = max(size, found.get(name, 0))
        return found

    def reserve(self, host: Callable[[str, int], object], *, all_of_it: bool) -> list[object]:
        """Make room for the largest batches, and have `host` do so; returns what it gave.

        `all_of_it`: however large; else the largest tensors get theirs when they come.
        """
        held = []
        for name, size in self.largest_bytes.items():
            if size <= _RESERVED_BYTES or all_of_it:
                self.buffers[name].reserve(size)
                held.append(host(name, size))
        return held

    def lane(self, shapes: Shapes) -> Lane:
        """What runs these input shapes, with room for them. Raises `CudaError`, `ServeError`."""
        lane = self._last
        if lane is None or not lane.has(shapes):
            lane = self._lanes[choose(self._engine.signature, self._allowed, shapes)]
            self._last = None  # until it has taken them
            lane.set_shapes(shapes)
            self._last = lane
        lane.place(self.buffers)
        return lane

    def wait(self, *, awake: bool) -> None:
        """Wait for all that was begun, without the GIL; errors of that work are raised here."""
        (self.done_awake if awake else self.done).wait_for(self.stream)

    def settle(self) -> None:
        """Wait until the GPU has nothing more to do here, after a failure."""
        try:
            self.stream.synchronize()
        except CudaError as error:
            _log.debug("after a failure: %s", error)  # the failure itself is reported

    def free(self) -> None:
        """Give everything back."""
        self._lanes.clear()
        self._last = None
        self._ends.close()


def context_bytes(engine: Engine, allowed: Iterable[int]) -> int:
    """What a context needs between its layers, of whichever of these profiles."""
    return max(map(engine.context_memory_bytes, allowed))
