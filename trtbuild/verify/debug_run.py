"""Look at the inner tensors of a plan and of its ONNX graph. Runs in worker processes only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from trtbuild.artifacts import Comparison, OnnxModel, Plan
from trtbuild.cuda import Cuda
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import VerificationError, first_line
from trtbuild.onnx_model import describe
from trtbuild.onnx_session import open_session, run
from trtbuild.onnx_weights import read_skeleton
from trtbuild.onnx_write import write
from trtbuild.tensor import DTYPES
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.verify.bisect import Candidate
from trtbuild.verify.compare import Label, compare
from trtbuild.verify.dtypes import precision_of
from trtbuild.verify.emulate import widened
from trtbuild.verify.engine import Engine
from trtbuild.verify.options import Precision, VerifyOptions, coarsest
from trtbuild.verify.plan_run import tolerance_of_plan
from trtbuild.verify.points import Point

Array = np.ndarray[Any, np.dtype[Any]]

_FLOATS = {DTYPES[name].onnx for name in ("fp32", "fp16", "bf16")}


def candidates(model: Path) -> list[Candidate]:
    """The float tensors that the top graph's nodes make from its inputs, and all its outputs."""
    graph = _inferred(read_skeleton(model)).graph
    types = _types(graph)
    outputs = {value.name for value in graph.output}
    nearest: dict[str, tuple[str, ...]] = {value.name: () for value in graph.input}
    found = []
    for node in graph.node:
        reads = [name for name in _read_by(node) if name in nearest]
        if not reads:
            continue  # of constants alone: TensorRT folds it
        behind = tuple(dict.fromkeys(each for name in reads for each in nearest[name]))
        for name in filter(None, node.output):
            nearest[name] = behind
            if name in outputs or types.get(name) in _FLOATS:
                found.append(Candidate(name, node.name or name, node.op_type, behind))
                nearest[name] = (name,)
    return found


def _read_by(node: onnx.NodeProto) -> list[str]:
    """Names of the inputs of `node`, with those that its subgraphs take from outside."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names += _read_by(inner)
    return names


def marked(model: Path, marks: list[str], directory: Path) -> OnnxModel:
    """The ONNX file `model` with the inner tensors `marks` as further outputs, in `directory`."""
    skeleton = read_skeleton(model)
    inferred = _inferred(skeleton).graph
    values = {value.name: value for value in inferred.value_info}
    skeleton.graph.output.extend(values[name] for name in marks)
    directory.mkdir(parents=True, exist_ok=True)
    write(skeleton, directory / "model.onnx")
    return describe(directory / "model.onnx")


def run_wide(model: Path, points: list[Point]) -> list[Path]:
    """Run the graph in fp32 throughout on every point, and write its outputs.

    What fp16 rounds or cannot hold is right here, so that it shows where the plan departs.
    """
    skeleton = widened(read_skeleton(model))
    types = {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in skeleton.graph.input
    }
    try:
        session = open_session(skeleton)
    except Exception as error:
        raise VerificationError(
            f"ONNX Runtime cannot run the graph: {first_line(error)}",
            "what it cannot run it cannot be compared with",
        ) from error
    for point in points:
        inputs = load_tensors(point.inputs)
        values = {
            name: array if array.dtype == object else array.astype(types[name])
            for name, array in inputs.items()
        }
        save_tensors(point.outputs, run(session, values))
    return [point.outputs for point in points]


def look(
    *,
    plan: Plan,
    module: str,
    model: Path,
    points: list[Point],
    options: VerifyOptions,
    loading: Loading,
    precision: Precision | None = None,
) -> list[Comparison]:
    """Every output of the plan against `run_wide` of the graph it was built from."""
    own = precision_of(read_skeleton(model))
    tolerance = tolerance_of_plan(coarsest(own, precision or "fp32"), options)
    found = []
    with Cuda() as cuda:
        engine = Engine(module, plan.path, cuda, loading)
        for point in points:
            expected, got = load_tensors(point.outputs), engine.run(load_tensors(point.inputs))
            for name, reference in expected.items():
                label = Label("ONNX in fp32 vs plan", point.name, name)
                found.append(compare(label, reference, got[name], tolerance))
    return found


def _inferred(skeleton: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(skeleton)


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    values = (*graph.value_info, *graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}
