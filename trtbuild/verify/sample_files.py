"""Inputs that a user gives, and outputs where they are known: a .npz, or a folder of them.

Arrays are called as the model's tensors. Runs in worker processes only.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trtbuild.artifacts import Profile
from trtbuild.errors import SourceError

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]


class SampleFile(NamedTuple):
    """One point: what it is called in tables, and its arrays by name."""

    name: str
    path: Path
    values: Values


def read_samples(samples: Path) -> list[SampleFile]:
    """The arrays of the file `samples`, or of every .npz in that folder, in the order of names.

    Raises `SourceError` for what holds no arrays.
    """
    if not samples.is_dir():
        return [SampleFile("samples", samples, _read(samples))]
    files = sorted(samples.glob("*.npz"))
    if not files:
        raise SourceError(
            f"--samples '{samples}' is a folder without a .npz",
            "write one for each point: numpy.savez('samples/one.npz', **inputs)",
        )
    return [SampleFile(path.stem, path, _read(path)) for path in files]


def _read(path: Path) -> Values:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"--samples '{path}' is no .npz of arrays: {str(error).partition(chr(10))[0]}",
            "write it with numpy.savez('samples.npz', **inputs), the outputs beside them if known",
        ) from None


def have_outputs(samples: Path, outputs: list[str]) -> bool:
    """Whether every file has an array for one of `outputs`; then it needs all of them."""
    return all(any(name in each.values for name in outputs) for each in read_samples(samples))


def sample_input(sample: SampleFile, names: tuple[str, ...]) -> Array:
    """The array of an input that goes by any of `names`. Raises `SourceError` without one."""
    for name in names:
        if name in sample.values:
            return sample.values[name]
    raise SourceError(
        f"--samples '{sample.path}' has no '{names[0]}'; it has: "
        f"{', '.join(sample.values) or 'nothing'}",
        "it needs every input of the model by name",
    )


def profiles_that_hold(
    sample: SampleFile, inputs: Mapping[str, Array], profiles: tuple[Profile, ...]
) -> tuple[int, ...]:
    """The profiles whose ranges `inputs` lie in. Raises `SourceError` where there is none."""
    fit = tuple(index for index, profile in enumerate(profiles) if _holds(profile, inputs))
    if fit:
        return fit
    shapes = ", ".join(f"'{name}' {list(value.shape)}" for name, value in inputs.items())
    ranges = "; ".join(
        ", ".join(f"{list(r.min)} to {list(r.max)}" for r in profile.values())
        for profile in profiles
    )
    raise SourceError(
        f"--samples '{sample.path}' has {shapes}; the plans are for {ranges}",
        "give samples of such shapes, or build for theirs with --max-batch or --max-shapes",
    )


def _holds(profile: Profile, inputs: Mapping[str, Array]) -> bool:
    return all(
        len(value.shape) == len(profile[name].min)
        and all(
            low <= size <= high
            for low, size, high in zip(
                profile[name].min, value.shape, profile[name].max, strict=True
            )
        )
        for name, value in inputs.items()
    )
