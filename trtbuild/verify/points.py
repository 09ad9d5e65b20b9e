"""The sets of input shapes that a model is verified with. Light: the parent process knows them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import msgspec

from trtbuild.artifacts import Profile


class Point(msgspec.Struct, frozen=True):
    """One set of input shapes, and the tensor files with inputs of these shapes."""

    # "min", "opt" or "max", with several profiles "profile 1 min"; those of the same shapes are
    # joined by "="
    name: str
    inputs: Path  # as the final model takes them
    parts: tuple[Path, ...]  # as the exported model takes them; () where it cannot be run
    rows: tuple[int, ...] | None = None  # the samples that `parts` are; None: one part, all of them
    profiles: tuple[int, ...] = (0,)  # of the plan, that it is a point of

    @property
    def outputs(self) -> Path:
        """Where the final graph's outputs for `inputs` are kept for plans to be compared with."""
        return self.inputs.with_name(f"{self.inputs.name}-outputs")


class Shapes(NamedTuple):
    """One set of input shapes that profiles have as their smallest, usual or largest."""

    name: str  # of a point
    shapes: dict[str, tuple[int, ...]]
    profiles: tuple[int, ...]


def distinct_shapes(profiles: tuple[Profile, ...]) -> list[Shapes]:
    """The smallest, usual and largest shapes of each profile, each set once.

    The set with the most elements comes last: all others can be part of it, where only the first
    dim differs.
    """
    found: list[Shapes] = []
    for index, profile in enumerate(profiles):
        for bound in ("min", "opt", "max"):
            name = bound if len(profiles) == 1 else f"profile {index} {bound}"
            shapes = {key: getattr(range_, bound) for key, range_ in profile.items()}
            place = next((n for n, each in enumerate(found) if each.shapes == shapes), None)
            if place is None:
                found.append(Shapes(name, shapes, (index,)))
                continue
            same = found[place]
            indices = tuple(dict.fromkeys((*same.profiles, index)))
            found[place] = Shapes(f"{same.name}={name}", shapes, indices)
    largest = max(found, key=lambda each: sum(map(math.prod, each.shapes.values())))
    return [each for each in found if each is not largest] + [largest]
