"""TensorRT's progress monitor, as the fraction of the build that is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

OnFraction = Callable[[str, int], None]  # innermost phase, per mille of the whole build
PER_MILLE = 1000
_INTERVAL_S = 0.1  # TensorRT reports thousands of steps a second


class _Phase(NamedTuple):
    parent: str | None
    steps: int
    finished: int


class PhaseTree:
    """TensorRT's phases as they start, step and finish, each a child of another one.

    The fraction of a phase is its finished steps, plus the fraction of its running children as
    one step. It never goes back.
    """

    def __init__(self) -> None:
        self._phases: dict[str, _Phase] = {}
        self._best = 0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps starts within `parent`."""
        self._phases[name] = _Phase(None if parent == name else parent, max(1, steps), 0)

    def step(self, name: str, step: int) -> None:
        """Step number `step` of the phase is done."""
        if name in self._phases:
            self._phases[name] = self._phases[name]._replace(finished=step + 1)

    def finish(self, name: str) -> None:
        """The phase is over."""
        self._phases.pop(name, None)

    def per_mille(self) -> int:
        """How much of the outermost phase is done."""
        roots = [name for name, phase in self._phases.items() if phase.parent not in self._phases]
        done = max((self._fraction(name) for name in roots), default=0.0)
        self._best = max(self._best, min(PER_MILLE, int(PER_MILLE * done)))
        return self._best

    def _fraction(self, name: str) -> float:
        phase = self._phases[name]
        children = [child for child, other in self._phases.items() if other.parent == name]
        inner = max((self._fraction(child) for child in children), default=0.0)
        return min(1.0, (phase.finished + inner) / phase.steps)


def monitor(trt: Any, on_fraction: OnFraction) -> Any:
    """An `IProgressMonitor` that calls `on_fraction` at most ten times a second."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc] # the module is loaded by name
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._tree = PhaseTree()
            self._next = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._tree.start(phase_name, parent_phase, num_steps)
            self._tell(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._tree.step(phase_name, step)
            self._tell(phase_name)
            return True  # False would cancel the build

        def phase_finish(self, phase_name: str) -> None:
            self._tree.finish(phase_name)

        def _tell(self, phase_name: str) -> None:
            if (now := time.monotonic()) >= self._next:
                self._next = now + _INTERVAL_S
                on_fraction(phase_name, self._tree.per_mille())

    return Monitor()
