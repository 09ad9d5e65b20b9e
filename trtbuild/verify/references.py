"""What a user names for plans to be compared with: a function in NumPy, or inputs with outputs.

For a network that code defines, and for ops of plugins, which ONNX Runtime does not have.
Runs in worker processes only.
"""

from __future__ import annotations

import importlib
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
from trtbuild.tensorfile import save_tensors
from trtbuild.users_code import (
    function_in,
    import_code,
    kind_of,
    split_factory,
    tensorrt_is,
    users_errors,
)
from trtbuild.verify.dtypes import cast_to
from trtbuild.verify.options import VerifyOptions
from trtbuild.verify.points import Point, distinct_shapes
from trtbuild.verify.sample_files import profiles_that_hold, read_samples, sample_input
from trtbuild.weights_file import load_weights

Array = np.ndarray[Any, np.dtype[Any]]


def reference_points(
    model: Model,
    profiles: tuple[Profile, ...],
    options: VerifyOptions,
    directory: Path,
    module: str | None = None,
) -> list[Point]:
    """Seeded inputs for smallest, usual and largest shapes, and what `--reference` makes of them.

    It is called as `function(inputs)`, both sides by name, with the weights as a second argument
    where `--weights` gives them. `module` is what `import tensorrt` means there, for a file that
    defines the network too. Raises `SourceError` for the user's errors.
    """
    assert options.reference is not None
    reference, weights = options.reference, options.weights
    if module is not None:
        tensorrt_is(importlib.import_module(module))
    file, name = split_factory(reference)
    with users_errors(reference, file):
        function = function_in(import_code(file), name, reference)
    more = (load_weights(weights),) if weights else ()
    points = []
    for number, each in enumerate(distinct_shapes(profiles)):
        inputs = sample(_graph(model), model.inputs, each.shapes, options.seed)
        point = Point(each.name, directory / f"reference-{number}", (), profiles=each.profiles)
        save_tensors(point.inputs, inputs)
        with users_errors(reference, file):
            outputs = function(inputs, *more)
        save_tensors(point.outputs, _checked(outputs, model, f"'{reference}' returned"))
        points.append(point)
    return points


def sample_points(
    model: Model, profiles: tuple[Profile, ...], samples: Path, directory: Path
) -> list[Point]:
    """A point for each .npz that `samples` is or holds, with every input and output by name.

    Raises `SourceError` where one is missing, or has a shape that the plans are not built for.
    """
    points = []
    for number, each in enumerate(read_samples(samples)):
        inputs = {
            spec.name: cast_to(sample_input(each, (spec.name,)), spec.dtype)
            for spec in model.inputs
        }
        fit = profiles_that_hold(each, inputs, profiles)
        point = Point(each.name, directory / f"samples-{number}", (), profiles=fit)
        save_tensors(point.inputs, inputs)
        what = f"--samples '{each.path}' has"
        save_tensors(point.outputs, _checked(each.values, model, what))
        points.append(point)
    return points


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
