"""An ensemble as a graph of tensors: who writes each, who reads it, what reaches the outputs.

Source: Triton core, model_config_utils.cc (BuildEnsembleGraph, ValidateEnsembleSchedulingConfig).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from trtbuild.validate.finding import FieldPath

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config


class Step(NamedTuple):
    """One step, its maps as plain dicts: the member's tensor -> the ensemble's."""

    number: int
    model: str
    version: int
    inputs: dict[str, str]
    outputs: dict[str, str]

    def at(self, *field: str | int) -> FieldPath:
        """The place of one of its fields."""
        return ("ensemble_scheduling", "step", self.number, *field)


class Writer(NamedTuple):
    """A step's output that an ensemble tensor comes from."""

    step: Step
    key: str


class Graph:
    """The steps of one ensemble and what becomes of each tensor."""

    def __init__(self, config: Config) -> None:
        self.steps = [_step(index, step) for index, step in _steps(config)]
        self.inputs = [entry.name for entry in config.input]
        self.outputs = [entry.name for entry in config.output]
        self.writers: dict[str, list[Writer]] = {}
        self.readers: dict[str, list[Step]] = {}
        for step in self.steps:
            for key, tensor in sorted(step.outputs.items()):
                self.writers.setdefault(tensor, []).append(Writer(step, key))
            for tensor in step.inputs.values():
                self.readers.setdefault(tensor, []).append(step)
        self.ready = self._ready()

    @property
    def tensors(self) -> set[str]:
        """Every tensor that a step reads or writes."""
        return {*self.writers, *self.readers}

    def _ready(self) -> set[str]:
        """The tensors that get a value when a request comes in, along the steps in any order."""
        ready = set(self.inputs) & self.tensors
        waiting = {step.number: len(set(step.inputs.values()) - ready) for step in self.steps}
        fresh = [step for step in self.steps if not waiting[step.number]]
        while fresh:
            step = fresh.pop()
            for tensor in set(step.outputs.values()) - ready:
                ready.add(tensor)
                for reader in {r.number: r for r in self.readers.get(tensor, ())}.values():
                    waiting[reader.number] -= 1
                    if not waiting[reader.number]:
                        fresh.append(reader)
        return ready

    def missing_for(self, tensor: str) -> list[str]:
        """The tensors without a value that keep `tensor` from getting one, nearest first."""
        found: list[str] = []
        queue, seen = [tensor], {tensor}
        while queue:
            writers = self.writers.get(queue.pop(0), [])
            for need in [t for writer in writers[:1] for t in writer.step.inputs.values()]:
                if need not in self.ready and need not in seen:
                    seen.add(need)
                    queue.append(need)
                    if need not in self.writers:
                        found.append(need)
        return found


def _steps(config: Config) -> Iterator[tuple[int, Any]]:
    return enumerate(config.ensemble_scheduling.step)


def _step(number: int, step: Any) -> Step:
    return Step(
        number, step.model_name, step.model_version, dict(step.input_map), dict(step.output_map)
    )
