"""The inputs that both sides of a comparison are run with. Runs in worker processes only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from trtbuild.artifacts import OnnxModel, Profile, SurgeryResult
from trtbuild.onnx_weights import read_skeleton
from trtbuild.samples import sample
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import save_tensors
from trtbuild.verify.dtypes import cast_to

Array = np.ndarray[Any, np.dtype[Any]]


class Point(msgspec.Struct, frozen=True):
    """One set of input shapes, and the tensor files with inputs of these shapes."""

    name: str  # "min", "opt" or "max"; several joined where their shapes are the same
    inputs: Path  # as the final model takes them
    parts: tuple[Path, ...]  # as the exported model takes them; () where it cannot be run


def make_inputs(
    exported: OnnxModel, result: SurgeryResult, profile: Profile, seed: int, directory: Path
) -> list[Point]:
    """Seeded inputs for the smallest, usual and largest shapes, each once, in `directory`.

    A model whose batch dim surgery freed still takes batches of one before it: there the inputs
    come in parts of one sample each.
    """
    skeleton = read_skeleton(result.model.path)
    points = []
    for name, shapes in _distinct(profile):
        values = sample(skeleton, result.model.inputs, shapes, seed)
        before = _as_exported(values, exported, result)
        parts = tuple(
            _saved(directory / f"source-{name}-{i}", part)
            for i, part in enumerate(_parts(before, exported))
        )
        points.append(Point(name, _saved(directory / f"inputs-{name}", values), parts))
    return points


def _distinct(profile: Profile) -> Iterator[tuple[str, dict[str, tuple[int, ...]]]]:
    bounds = {
        bound: {name: getattr(range_, bound) for name, range_ in profile.items()}
        for bound in ("min", "opt", "max")
    }
    for bound, shapes in bounds.items():
        same = [other for other in bounds if bounds[other] == shapes]
        if same[0] == bound:
            yield "=".join(same), shapes


def _as_exported(
    values: dict[str, Array], exported: OnnxModel, result: SurgeryResult
) -> dict[str, Array] | None:
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


def _dtype(model: OnnxModel, name: str) -> str:
    return next(spec.dtype for spec in model.inputs if spec.name == name)


def _shaped(value: Array, spec: TensorSpec) -> Array:
    """A scalar that surgery raised to [1] is a scalar again."""
    return value.reshape(()) if not spec.shape and value.size == 1 else value


def _parts(before: dict[str, Array] | None, exported: OnnxModel) -> Iterator[dict[str, Array]]:
    if before is None:
        return
    if all(_fits(before[spec.name], spec) for spec in exported.inputs):
        yield before
        return
    batched = [spec for spec in exported.inputs if spec.shape and spec.shape[0] == 1]
    sizes = {before[spec.name].shape[0] for spec in batched}
    if len(batched) != len(exported.inputs) or len(sizes) != 1:
        return  # surgery changed more than the batch: there is nothing to compare with
    for i in range(sizes.pop()):
        part = {name: value[i : i + 1] for name, value in before.items()}
        if all(_fits(part[spec.name], spec) for spec in exported.inputs):
            yield part


def _fits(value: Array, spec: TensorSpec) -> bool:
    return len(value.shape) == len(spec.shape) and all(
        isinstance(dim, str) or dim == size
        for dim, size in zip(spec.shape, value.shape, strict=True)
    )


def _saved(path: Path, tensors: dict[str, Array]) -> Path:
    save_tensors(path, tensors)
    return path
