"""The inputs and outputs of a config, walked once for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from trtbuild.validate.completion import Completion
from trtbuild.validate.finding import FieldPath, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.places import path_text


class Tensor(NamedTuple):
    """One `input` or `output` entry."""

    role: str  # "input" or "output": the name of the field
    number: int
    entry: Any  # inference.ModelInput or ModelOutput

    def at(self, *field: str | int) -> FieldPath:
        """The place of one of its fields."""
        return (self.role, self.number, *field)

    def written_at(self, model: Model, field: str) -> FieldPath:
        """The place of a field that is written with no value of use; its own where it is not."""
        return self.at(field) if model.written(path_text(self.at(field))) else self.at()

    def __str__(self) -> str:
        name = self.entry.name
        return f"{self.role} '{name}'" if name else f"{self.role} number {self.number + 1}"


def tensors(model: Model) -> Iterator[Tensor]:
    """All inputs, then all outputs."""
    for role in ("input", "output"):
        for index, entry in enumerate(getattr(model.config, role)):
            yield Tensor(role, index, entry)


def if_left_out(model: Model) -> Severity | None:
    """How bad it is that a tensor lacks something; None: as the rule says, for nobody fills it in.

    Whether a backend that nobody knows does cannot be seen: a warning.
    """
    return {
        Completion.NOTHING: None,
        Completion.PERHAPS: Severity.WARNING,
        Completion.SURELY: Severity.INFO,
    }[model.completion]
