"""The sets of input shapes that a model is verified with. Light: the parent process knows them."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Point(msgspec.Struct, frozen=True):
    """One set of input shapes, and the tensor files with inputs of these shapes."""

    name: str  # "min", "opt" or "max"; several joined by "=" where their shapes are the same
    inputs: Path  # as the final model takes them
    parts: tuple[Path, ...]  # as the exported model takes them; () where it cannot be run
    rows: tuple[int, ...] | None = None  # the samples that `parts` are; None: one part, all of them

    @property
    def outputs(self) -> Path:
        """Where the final graph's outputs for `inputs` are kept for plans to be compared with."""
        return self.inputs.with_name(f"{self.inputs.name}-outputs")
