"""The inputs that both sides of a comparison are run with. Runs in worker processes only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trtbuild.artifacts import Model, OnnxModel, Profile, SurgeryResult
from trtbuild.onnx_weights import read_skeleton
from trtbuild.samples import sample
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import save_tensors
from trtbuild.verify.dtypes import cast_to
from trtbuild.verify.points import Point

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]


def make_inputs(
    exported: OnnxModel, result: SurgeryResult, profile: Profile, seed: int, directory: Path
) -> list[Point]:
    """Seeded inputs for the smallest, usual and largest shapes, each once, in `directory`.

    A model whose batch dim surgery freed still takes batches of one before it. There the source
    runs the last sample of the largest batch and the first of the others, which are the first
    samples of the largest.
    """
    assert isinstance(result.model, OnnxModel), "a network has points of its own: `references`"
    skeleton = read_skeleton(result.model.path)
    points = dict(distinct(profile))
    values = {
        name: sample(skeleton, result.model.inputs, shapes, seed) for name, shapes in points.items()
    }
    if _takes_one(exported) and (firsts := _firsts(values, points)) is not None:
        values = firsts
    largest = list(points)[-1]
    return [
        _point(name, values[name], exported, result, directory, last=name == largest)
        for name in points
    ]


def _point(
    name: str,
    values: Values,
    exported: OnnxModel,
    result: SurgeryResult,
    directory: Path,
    *,
    last: bool,
) -> Point:
    before = _as_exported(values, exported, result)
    inputs = _saved(directory / f"inputs-{name}", values)
    if before is None:
        return Point(name, inputs, ())
    if all(_fits(before[spec.name], spec) for spec in exported.inputs):
        part = "sample-0" if _takes_one(exported) else name
        return Point(name, inputs, (_saved(directory / f"source-{part}", before),))
    size = min((value.shape[0] for value in before.values() if value.ndim), default=1)
    row = size - 1 if last else 0
    sample = {key: value[row : row + 1] for key, value in before.items()}
    if not _takes_one(exported) or not all(
        _fits(sample[spec.name], spec) for spec in exported.inputs
    ):
        return Point(name, inputs, ())  # surgery changed more than the batch
    return Point(name, inputs, (_saved(directory / f"source-sample-{row}", sample),), (row,))


def _takes_one(exported: OnnxModel) -> bool:
    return all(spec.shape and spec.shape[0] == 1 for spec in exported.inputs)


def _firsts(
    values: dict[str, Values], points: dict[str, dict[str, tuple[int, ...]]]
) -> dict[str, Values] | None:
    """Every point's inputs as the first samples of the last point's; None where shapes differ."""
    largest = values[list(values)[-1]]
    firsts = {
        name: {key: largest[key][: shape[0]] for key, shape in shapes.items()}
        for name, shapes in points.items()
    }
    fits = all(
        firsts[name][key].shape == shape
        for name, shapes in points.items()
        for key, shape in shapes.items()
    )
    return firsts if fits else None


def distinct(profile: Profile) -> Iterator[tuple[str, dict[str, tuple[int, ...]]]]:
    """The profile's smallest, usual and largest shapes, equal ones once: names joined by "="."""
    bounds = {
        bound: {name: getattr(range_, bound) for name, range_ in profile.items()}
        for bound in ("min", "opt", "max")
    }
    for bound, shapes in bounds.items():
        same = [other for other in bounds if bounds[other] == shapes]
        if same[0] == bound:
            yield "=".join(same), shapes


def _as_exported(values: Values, exported: OnnxModel, result: SurgeryResult) -> Values | None:
    """The same values under the exported model's names, data types and ranks; None: cut free.

    A value that the exported data type rounds is rounded for both.
    """
    specs = {spec.name: spec for spec in exported.inputs}
    before = {}
    for final, name in result.input_names.items():
        if name not in specs:
            return None
        before[name] = _shaped(cast_to(values[final], specs[name].dtype), specs[name])
        values[final] = cast_to(before[name], _dtype(result.model, final)).reshape(
            values[final].shape
        )
    return before if before.keys() == specs.keys() else None


def _dtype(model: Model, name: str) -> str:
    return next(spec.dtype for spec in model.inputs if spec.name == name)


def _shaped(value: Array, spec: TensorSpec) -> Array:
    """A scalar that surgery raised to [1] is a scalar again."""
    return value.reshape(()) if not spec.shape and value.size == 1 else value


def _fits(value: Array, spec: TensorSpec) -> bool:
    return len(value.shape) == len(spec.shape) and all(
        isinstance(dim, str) or dim == size
        for dim, size in zip(spec.shape, value.shape, strict=True)
    )


def _saved(path: Path, tensors: Values) -> Path:
    save_tensors(path, tensors)
    return path
