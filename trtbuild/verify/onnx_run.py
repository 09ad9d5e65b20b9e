"""Run the ONNX graphs, before and after precision surgery, and compare. In worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from trtbuild.artifacts import Comparison, OnnxModel, SurgeryResult, VerifyReport
from trtbuild.errors import VerificationError, first_line
from trtbuild.onnx_session import open_session, run
from trtbuild.onnx_weights import read_skeleton
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.verify.compare import Label, compare
from trtbuild.verify.dtypes import precision_of
from trtbuild.verify.emulate import emulated
from trtbuild.verify.finite import no_numbers_in_answers, no_numbers_in_weights
from trtbuild.verify.kinds import Kind, output_kinds
from trtbuild.verify.options import Precision, Tolerance, VerifyOptions, tolerance_of
from trtbuild.verify.points import Point
from trtbuild.workers.child import report

Array = np.ndarray[Any, np.dtype[Any]]


CUT = "not run: the graph was cut or changed, so the source is another model"


class OnnxRun:
    """An ONNX model in ONNX Runtime, on the CPU; 16-bit floats are emulated (see `emulate`)."""

    def __init__(self, model: OnnxModel) -> None:
        skeleton = read_skeleton(model.path)
        self.precision: Precision = precision_of(skeleton)
        skeleton = emulated(skeleton)
        self._inputs = {
            value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            for value in skeleton.graph.input
        }
        try:
            self._session = open_session(skeleton)
        except Exception as error:
            raise VerificationError(
                f"ONNX Runtime cannot run the converted graph: {first_line(error)}",
                "give --no-verify if TensorRT alone has to take it",
            ) from error

    def __call__(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Outputs by name; inputs are taken in any float type and cast."""
        values = {
            name: array if array.dtype == object else array.astype(self._inputs[name])
            for name, array in inputs.items()
        }
        try:
            return run(self._session, values)
        except Exception as error:
            message, hint = other_values(inputs)
            raise VerificationError(
                f"ONNX Runtime cannot run the converted graph: {first_line(error)}\n{message}", hint
            ) from error


def other_values(inputs: dict[str, Array]) -> tuple[str, str]:
    """What may be wrong with the values that a model does not run on, and what to do.

    Seeded integers are indices, masks or small numbers; a length, a sample rate or an id of a
    language means something that no graph tells.
    """
    whole = [name for name, array in inputs.items() if array.dtype.kind in "iub"]
    names = ", ".join(f"`{name}`" for name in whole or inputs)
    first = (whole or [*inputs, "NAME"])[0]
    return (
        f"the model takes other values of {names} than it was given",
        f"give inputs that it takes, --samples FILE.npz, or make a constant of one, --bind "
        f"{first}=VALUE; --no-verify builds without comparing",
    )


def compare_graphs(
    *,
    kind: str,
    result: SurgeryResult,
    points: list[Point],
    outputs: dict[str, list[Path]],
    options: VerifyOptions,
    no_source: str = "",
) -> VerifyReport:
    """Compare the source framework's outputs with ONNX's, before and after precision surgery.

    `outputs` are the tensor files that the source wrote, by point name, one for each part; none
    where the graph was cut or, with `no_source` as the reason, the source cannot be run: there
    the graph before precision surgery is what the graph after it is compared with. What the final
    graph gives is left in `Point.outputs`, as `run_final` leaves it.
    """
    assert isinstance(result.model, OnnxModel), "a network is compared by `references`"
    after = OnnxRun(result.model)
    before = OnnxRun(result.reference) if result.reference is not None else None
    skeleton = read_skeleton((result.reference or result.model).path)
    kinds = output_kinds(skeleton)
    comparisons: list[Comparison] = []
    not_run: dict[str, str] = {}
    warnings = no_numbers_in_weights(skeleton)
    for point in points:
        report("verify", f"{point.name} shapes")
        inputs = load_tensors(point.inputs)
        source = _source_outputs(outputs.get(point.name, []), result)
        final = after(inputs)
        warnings += no_numbers_in_answers(source or final, point, kind if source else "ONNX")
        save_tensors(point.outputs, final)  # plans will be compared with them
        sides = []
        if not source:
            not_run[f"{kind} vs ONNX"] = f"not run: {no_source}" if no_source else CUT
        if before is None:
            sides.append((f"{kind} vs ONNX", source, final, after.precision))
        else:
            middle, what = before(inputs), f"ONNX {after.precision}"
            sides.append((f"{kind} vs ONNX", source, middle, before.precision))
            reference = (kind, source) if source else ("ONNX", middle)
            sides.append((f"{reference[0]} vs {what}", reference[1], final, after.precision))
        comparisons += _wrongly_declared(point, result.model.outputs, final)
        for pair, expected, got, precision in sides:
            tolerance = tolerance_of(options, precision)
            comparisons += _pairs(pair, point, expected, got, tolerance, kinds=kinds)
    return VerifyReport(tuple(comparisons), not_run, tuple(warnings))


def _wrongly_declared(
    point: Point, outputs: tuple[TensorSpec, ...], found: dict[str, Array]
) -> Iterator[Comparison]:
    """A failed comparison for each output whose shape is not as the model says, as a config will.

    No tolerance is meant for it, so both are 0.
    """
    for spec in outputs:
        shape = found[spec.name].shape
        fits = len(shape) == len(spec.shape) and all(
            isinstance(said, str) or said == size
            for said, size in zip(spec.shape, shape, strict=True)
        )
        if not fits:
            problem = f"shape {list(shape)}, of which the model says {spec}"
            label = Label("declared vs ONNX", point.name, spec.name)
            yield Comparison(*label, 0.0, 0.0, 0.0, (), ("", ""), 0.0, 0.0, False, problem)


def run_final(result: SurgeryResult, points: list[Point]) -> list[Path]:
    """Run the final graph on every point's inputs and write the outputs to `Point.outputs`."""
    assert isinstance(result.model, OnnxModel), "a network has no graph to run"
    graph = OnnxRun(result.model)
    for point in points:
        save_tensors(point.outputs, graph(load_tensors(point.inputs)))
    return [point.outputs for point in points]


def _source_outputs(files: list[Path], result: SurgeryResult) -> dict[str, Array]:
    """The source's outputs under the final model's names, the parts of one sample joined."""
    parts = [load_tensors(file) for file in files]
    found = {}
    for final, name in result.output_names.items():
        pieces = [part[name] for part in parts if name in part]
        if pieces:
            found[final] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return found


def _pairs(
    pair: str,
    point: Point,
    reference: dict[str, Array],
    candidate: dict[str, Array],
    tolerance: Tolerance,
    *,
    kinds: dict[str, Kind],
) -> Iterator[Comparison]:
    for name, expected in reference.items():
        got = candidate[name]
        if not expected.shape and got.shape == (1,):  # a scalar that surgery raised
            got = got.reshape(())
        elif point.rows is not None and got.shape[:1] != expected.shape[:1] == (len(point.rows),):
            got = got[list(point.rows)]  # of those that the source ran
        label = Label(pair, point.name, name)
        yield compare(label, expected, got, tolerance, kinds.get(name, ""))
