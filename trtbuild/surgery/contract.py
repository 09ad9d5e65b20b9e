"""What a pass is, and the runner that holds each pass to its contract.

A pass states what it needs (`requires`), changes the graph (`apply`) and states what is true
afterwards (`ensures`). One that breaks its word is named, with the passes that ran before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import onnx_graphsurgeon as gs

from trtbuild.artifacts import OnnxModel, PassNote
from trtbuild.errors import SurgeryError, fault_of_file
from trtbuild.registry import load
from trtbuild.surgery.options import SurgeryOptions


class ContractError(Exception):
    """A pass found its precondition or its promise broken: a bug of ours."""


@dataclass
class Job:
    """The graph on the table, and what was asked of it."""

    graph: gs.Graph
    options: SurgeryOptions
    source: OnnxModel  # what was exported
    directory: Path  # where the result is written
    input_names: dict[str, str]  # now -> in the exported model, "" where cut free
    output_names: dict[str, str]
    kept_dims: set[tuple[str, int]] = field(default_factory=set)  # (input, axis) fixed on request
    unbatched: list[str] = field(default_factory=list)  # outputs whose first dim is no batch

    def rename(self, tensor: gs.Tensor, name: str) -> None:
        """Give an input or output of the graph another name."""
        for names in (self.input_names, self.output_names):
            if tensor.name in names:
                names[name] = names.pop(tensor.name)
        tensor.name = name


class Done(NamedTuple):
    """What a pass did. `note` says it, or why there was nothing to do."""

    changed: bool
    note: str


def skipped(why: str) -> Done:
    """The pass had nothing to do."""
    return Done(False, why)


class Pass:
    """One change of the graph. `requires` and `ensures` raise `ContractError`."""

    def requires(self, job: Job) -> None:
        """Nothing beyond a sound graph."""

    def apply(self, job: Job) -> Done:
        """Change `job.graph`. Raises `SurgeryError` when what was asked cannot be done."""
        raise NotImplementedError

    def ensures(self, job: Job) -> None:
        """Nothing beyond a sound graph."""


def run_passes(job: Job, passes: Iterable[tuple[str, str]], ran: list[PassNote]) -> None:
    """Run `passes` (name, "module:class") in order and append a note of each to `ran`."""
    for name, reference in passes:
        pass_: Pass = load(reference)()
        try:
            pass_.requires(job)
            done = pass_.apply(job)
            if done.changed:
                check_sound(job.graph)
                pass_.ensures(job)
        except Exception as error:
            if fault := fault_of_file(error):
                raise fault from error
            before = ", ".join(note.name for note in ran) or "none"
            raise RuntimeError(
                f"surgery pass '{name}' failed: {error} (passes before it: {before})"
            ) from error
        ran.append(PassNote(name, done.changed, done.note))


def check_source(graph: gs.Graph) -> None:
    """Raise `SurgeryError` where the graph that was given is not sound: no pass has touched it."""
    try:
        check_sound(graph)
    except ContractError as error:
        raise SurgeryError(
            f"the model's graph is not sound: {error}",
            "export it again; onnx.checker.check_model(path, full_check=True) may say more",
        ) from None


def check_sound(graph: gs.Graph) -> None:
    """Every tensor that is read is made once, before it is read; names are unique.

    Raises `ContractError` with the first tensor that is not.
    """
    made = {tensor.name for tensor in graph.inputs}
    for tensor in graph.tensors(check_duplicates=True).values():
        if isinstance(tensor, gs.Constant):
            made.add(tensor.name)
    for node in graph.nodes:
        for tensor in node.inputs:
            if tensor.name and tensor.name not in made:
                raise ContractError(f"'{tensor.name}' is read by {node.op} before it is made")
        for tensor in node.outputs:
            if tensor.name in made and tensor.name:
                raise ContractError(f"'{tensor.name}' is made twice")
            made.add(tensor.name)
    for tensor in graph.outputs:
        if tensor.name not in made:
            raise ContractError(f"nothing makes the output '{tensor.name}'")
