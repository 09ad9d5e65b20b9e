"""What a user names for plans to be compared with: a function in NumPy, or inputs with outputs.

For a network that code defines, and for ops of plugins, which ONNX Runtime does not have.
Runs in worker processes only.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from trtbuild.artifacts import Model, Profile
from trtbuild.errors import SourceError
from trtbuild.network_model import NetworkModel
from trtbuild.onnx_weights import read_skeleton
from trtbuild.samples import sample
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import save_tensors
from trtbuild.users_code import function_in, import_code, kind_of, split_factory, users_errors
from trtbuild.verify.dtypes import cast_to
from trtbuild.verify.inputs import distinct
from trtbuild.verify.options import VerifyOptions
from trtbuild.verify.points import Point
from trtbuild.weights_file import load_weights

Array = np.ndarray[Any, np.dtype[Any]]


def reference_points(
    model: Model, profile: Profile, options: VerifyOptions, directory: Path
) -> list[Point]:
    """Seeded inputs for smallest, usual and largest shapes, and what `--reference` makes of them.

    It is called as `function(inputs)`, both sides by name, with the weights as a second argument
    where `--weights` gives them. Raises `SourceError` for the user's errors.
    """
    assert options.reference is not None
    reference, weights = options.reference, options.weights
    file, name = split_factory(reference)
    with users_errors(reference, file):
        function = function_in(import_code(file), name, reference)
    more = (load_weights(weights),) if weights else ()
    points = []
    for bound, shapes in distinct(profile):
        inputs = sample(_graph(model), model.inputs, shapes, options.seed)
        point = Point(bound, directory / f"reference-{bound}", ())
        save_tensors(point.inputs, inputs)
        with users_errors(reference, file):
            outputs = function(inputs, *more)
        save_tensors(point.outputs, _checked(outputs, model, f"'{reference}' returned"))
        points.append(point)
    return points


def sample_points(model: Model, profile: Profile, samples: Path, directory: Path) -> list[Point]:
    """The one point of a .npz with every input and output by name.

    Raises `SourceError` where one is missing, or has a shape that the plans are not built for.
    """
    try:
        with samples.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"--samples '{samples}' is no .npz of arrays: {str(error).partition(chr(10))[0]}",
            "write it with numpy.savez('samples.npz', **inputs, **outputs)",
        ) from None
    what = f"--samples '{samples}' has"
    inputs = {spec.name: _input(spec, values, profile, what) for spec in model.inputs}
    point = Point("samples", directory / "samples", ())
    save_tensors(point.inputs, inputs)
    save_tensors(point.outputs, _checked(values, model, what))
    return [point]


def _input(spec: TensorSpec, values: Mapping[str, Array], profile: Profile, what: str) -> Array:
    if spec.name not in values:
        raise SourceError(
            f"{what} no '{spec.name}'; it has: {', '.join(values) or 'nothing'}",
            "it needs every input and output of the model by name",
        )
    value, sizes = values[spec.name], profile[spec.name]
    fits = len(value.shape) == len(sizes.min) and all(
        low <= size <= high
        for low, size, high in zip(sizes.min, value.shape, sizes.max, strict=True)
    )
    if not fits:
        raise SourceError(
            f"{what} '{spec.name}' {list(value.shape)}; the plans are for {list(sizes.min)} to "
            f"{list(sizes.max)}",
            "give samples of such shapes, or build for theirs with --max-batch or --max-shapes",
        )
    return cast_to(value, spec.dtype)


def _checked(outputs: Any, model: Model, what: str) -> dict[str, Array]:
    """Every output of the model by name. One array will do where there is one output."""
    names = [spec.name for spec in model.outputs]
    if len(names) == 1 and isinstance(outputs, np.ndarray):
        outputs = {names[0]: outputs}
    if not isinstance(outputs, Mapping):
        raise SourceError(
            f"{what} {kind_of(outputs)}", f"return a dict with the outputs: {', '.join(names)}"
        )
    if missing := [name for name in names if name not in outputs]:
        raise SourceError(
            f"{what} no '{missing[0]}'; it has: {', '.join(outputs) or 'nothing'}",
            "it needs every output of the model by name",
        )
    return {name: np.asarray(outputs[name]) for name in names}


def _graph(model: Model) -> onnx.ModelProto:
    """What tells which integers are indices; of a network nothing does."""
    return onnx.ModelProto() if isinstance(model, NetworkModel) else read_skeleton(model.path)
