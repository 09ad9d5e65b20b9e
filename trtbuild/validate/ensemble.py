"""An ensemble as a graph of tensors: who writes each, who reads it, what reaches the outputs.

Source: Triton core, model_config_utils.cc (BuildEnsembleGraph, ValidateEnsembleSchedulingConfig).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from trtbuild.validate.finding import FieldPath

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config

_CAUSES = 8  # that are told of one tensor without a value


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

    @cached_property
    def tensors(self) -> frozenset[str]:
        """Every tensor that a step reads or writes."""
        return frozenset((*self.writers, *self.readers))

    def first_steps(self, ready: Container[str]) -> tuple[list[int], dict[int, int]]:
        """The steps that wait for nothing where `ready` have values, and step -> for how many
        tensors it waits. Both are worked on with `steps_set_free`, each reader once a tensor.
        """
        waiting = {
            step.number: sum(tensor not in ready for tensor in set(step.inputs.values()))
            for step in self.steps
        }
        return [number for number, count in waiting.items() if not count], waiting

    def steps_set_free(self, tensor: str, waiting: dict[int, int]) -> Iterator[int]:
        """The steps that waited for `tensor` alone; each of its readers waits for one less."""
        for number in dict.fromkeys(reader.number for reader in self.readers.get(tensor, ())):
            waiting[number] -= 1
            if not waiting[number]:
                yield number

    def _ready(self) -> set[str]:
        """The tensors that get a value when a request comes in, along the steps in any order."""
        ready = set(self.inputs) & self.tensors
        fresh, waiting = self.first_steps(ready)
        while fresh:
            for tensor in self.steps[fresh.pop()].outputs.values():
                if tensor not in ready:
                    ready.add(tensor)
                    fresh += self.steps_set_free(tensor, waiting)
        return ready

    @cached_property
    def input_keys(self) -> list[dict[str, str]]:
        """For each step: the ensemble's tensor -> the first of the member's that it goes to."""
        return [
            {tensor: key for key, tensor in reversed(step.inputs.items())} for step in self.steps
        ]

    @cached_property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """Tensor -> those that nobody writes and that keep it from getting a value, nearest first.

        Of many the nearest few, so that all tensors together take no longer than one walk along
        the steps. A tensor that none keeps waits in a circle, and is not in here.
        """
        kept_by: dict[str, tuple[str, ...]] = {}
        queue = deque((t, t) for t in self.readers if t not in self.ready and t not in self.writers)
        while queue:
            need, cause = queue.popleft()
            for tensor in self._first_written_from(need):
                known = kept_by.get(tensor, ())
                if tensor not in self.ready and cause not in known and len(known) < _CAUSES:
                    kept_by[tensor] = (*known, cause)
                    queue.append((tensor, cause))
        return kept_by

    def _first_written_from(self, need: str) -> Iterator[str]:
        """The tensors whose first writer reads `need`: the others are written in vain."""
        for step in self.readers.get(need, ()):
            for tensor in step.outputs.values():
                if self.writers[tensor][0].step.number == step.number:
                    yield tensor


def _steps(config: Config) -> Iterator[tuple[int, Any]]:
    return enumerate(config.ensemble_scheduling.step)


def _step(number: int, step: Any) -> Step:
    return Step(
        number, step.model_name, step.model_version, dict(step.input_map), dict(step.output_map)
    )
