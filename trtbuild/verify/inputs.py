"""The inputs that both sides of a comparison are run with. Runs in worker processes only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from trtbuild.artifacts import Model, OnnxModel, Profile, SurgeryResult
from trtbuild.bound import bound_array
from trtbuild.onnx_weights import read_skeleton
from trtbuild.samples import sample
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import save_tensors
from trtbuild.verify.dtypes import cast_to
from trtbuild.verify.points import Point, distinct_shapes
from trtbuild.verify.sample_files import profiles_that_hold, read_samples, sample_input

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]


def make_inputs(
    exported: Model,
    result: SurgeryResult,
    profile: Profile,
    seed: int,
    directory: Path,
    *,
    profiles: tuple[Profile, ...] = (),
    samples: Path | None = None,
) -> list[Point]:
    """Seeded inputs for the smallest, usual and largest shapes, each once, in `directory`.

    `profiles`: those of the plan, each with its own three; (): `profile` is the only one.
    A model whose batch dim surgery freed still takes batches of one before it. There the source
    runs the last sample of the largest batch and the first of the others, which are the first
    samples of the largest. `samples`: inputs that the user has, a .npz or a folder of them, in the
    place of seeded ones; raises `SourceError` where they do not fit.
    """
    assert isinstance(result.model, OnnxModel), "a network has points of its own: `references`"
    if samples is not None:
        return _given(exported, result, profiles or (profile,), samples, directory)
    skeleton = read_skeleton(result.model.path)
    several = distinct_shapes(profiles or (profile,))
    points = {each.name: each.shapes for each in several}
    values = {
        name: sample(skeleton, result.model.inputs, shapes, seed) for name, shapes in points.items()
    }
    firsts = _firsts(values, points) if _takes_one(exported, result) else None
    values = values if firsts is None else firsts
    largest = list(points)[-1]
    return [
        msgspec.structs.replace(
            _point(
                each.name,
                values[each.name],
                exported,
                result,
                directory,
                last=each.name == largest,
                shared=firsts is not None,
            ),
            profiles=each.profiles,
        )
        for each in several
    ]


def _given(
    exported: Model,
    result: SurgeryResult,
    profiles: tuple[Profile, ...],
    samples: Path,
    directory: Path,
) -> list[Point]:
    """A point for each file; an input goes by its name now, or by that of the exported model."""
    points = []
    for number, each in enumerate(read_samples(samples)):
        values = {}
        for spec in result.model.inputs:
            old = result.input_names.get(spec.name) or spec.name
            array = cast_to(sample_input(each, (spec.name, old)), spec.dtype)
            values[spec.name] = array.reshape(1) if spec.shape == (1,) and not array.ndim else array
        fit = profiles_that_hold(each, values, profiles)
        folder = directory / f"given-{number}"
        folder.mkdir(exist_ok=True)
        point = _point(each.name, values, exported, result, folder, last=False, shared=False)
        points.append(msgspec.structs.replace(point, profiles=fit))
    return points


def _point(
    name: str,
    values: Values,
    exported: Model,
    result: SurgeryResult,
    directory: Path,
    *,
    last: bool,
    shared: bool,
) -> Point:
    """One point; where the first samples are `shared` with the others, so are their files."""
    samples = "source-sample" if shared else f"source-{name}-sample"
    before = _as_exported(values, exported, result)
    inputs = _saved(directory / f"inputs-{name}", values)
    if before is None:
        return Point(name, inputs, ())
    specs = _unbound(exported, result)
    if all(_fits(before[spec.name], spec) for spec in specs):
        part = f"{samples}-0" if _takes_one(exported, result) else f"source-{name}"
        before |= _bound(before, exported, result)
        return Point(name, inputs, (_saved(directory / part, before),))
    size = min((value.shape[0] for value in before.values() if value.ndim), default=1)
    row = size - 1 if last else 0
    sample = {key: value[row : row + 1] for key, value in before.items()}
    if not _takes_one(exported, result) or not all(
        _fits(sample[spec.name], spec) for spec in specs
    ):
        return Point(name, inputs, ())  # surgery changed more than the batch
    sample |= _bound(sample, exported, result)
    return Point(name, inputs, (_saved(directory / f"{samples}-{row}", sample),), (row,))


def _unbound(exported: Model, result: SurgeryResult) -> list[TensorSpec]:
    """The exported model's inputs without those that --bind made constants of."""
    return [spec for spec in exported.inputs if spec.name not in result.bound]


def _bound(values: Values, exported: Model, result: SurgeryResult) -> Values:
    """What the source is given for the inputs that are constants now."""
    specs = {spec.name: spec for spec in exported.inputs}
    sizes = {
        dim: size
        for name, value in values.items()
        for dim, size in zip(specs[name].shape, value.shape, strict=True)
        if isinstance(dim, str)
    }
    return {
        name: bound_array(specs[name], text, sizes)
        for name, text in result.bound.items()
        if name in specs
    }


def _takes_one(exported: Model, result: SurgeryResult) -> bool:
    return all(spec.shape and spec.shape[0] == 1 for spec in _unbound(exported, result))


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


def _as_exported(values: Values, exported: Model, result: SurgeryResult) -> Values | None:
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
    return before if before.keys() == specs.keys() - result.bound.keys() else None


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
