"""Small ONNX models in a few lines, surgery on them, and what comes out of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from trtbuild import onnx_session
from trtbuild.artifacts import OnnxModel, PassNote, SurgeryResult
from trtbuild.onnx_model import describe
from trtbuild.onnx_weights import read_skeleton
from trtbuild.surgery.apply import operate
from trtbuild.surgery.contract import Done, Job, Pass
from trtbuild.surgery.graph import graph_from_model, infer
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import dtype_from_text

Array = np.ndarray[Any, np.dtype[Any]]
node = helper.make_node

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def value(text: str) -> onnx.ValueInfoProto:
    """`x fp32 [batch, 3]` as a graph's input or output."""
    name, dtype, dims = text.split(" ", 2)
    parts = [part.strip() for part in dims.strip("[]").split(",") if part.strip()]
    shape = [int(part) if part.isdecimal() else part for part in parts]
    return helper.make_tensor_value_info(name, dtype_from_text(dtype).onnx, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[str],
    outputs: Sequence[str],
    weights: Mapping[str, Any] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A checked model; weights become initializers, Python floats fp32."""
    arrays = {name: np.asarray(array) for name, array in (weights or {}).items()}
    graph = helper.make_graph(
        list(nodes),
        "g",
        [value(text) for text in inputs],
        [value(text) for text in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=max(8, ir_of(opset)))
    onnx.checker.check_model(made)
    return made


def ir_of(opset: int) -> int:
    return int(helper.find_min_ir_version_for([helper.make_opsetid("", opset)]))


def f32(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Seeded fp32 weights."""
    numbers = np.random.default_rng(seed).standard_normal(shape) * scale
    return np.asarray(numbers, dtype=np.float32)


def i64(*numbers: int) -> Array:
    return np.array(numbers, dtype=np.int64)


def saved(folder: Path, made: onnx.ModelProto) -> OnnxModel:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(made, folder / "exported.onnx")
    return describe(folder / "exported.onnx")


def operated(folder: Path, made: onnx.ModelProto, **options: Any) -> SurgeryResult:
    """The whole of surgery; the result passes ONNX's checker with types and shapes."""
    target = folder / "out"
    target.mkdir(parents=True)
    result = operate(saved(folder, made), SurgeryOptions(**options), target)
    onnx.checker.check_model(str(result.onnx.path), full_check=True)
    return result


def note(result: SurgeryResult, name: str) -> PassNote:
    return next(entry for entry in result.notes if entry.name == name)


def job(made: onnx.ModelProto, **options: Any) -> Job:
    """`made` on the table, for one pass at a time."""
    graph = graph_from_model(made)
    infer(graph)
    specs = {tensor.name: tensor.name for tensor in graph.inputs}
    outputs = {tensor.name: tensor.name for tensor in graph.outputs}
    source = OnnxModel(Path(), ("m.onnx",), "", 0, (), (), 17, "tests")
    return Job(graph, SurgeryOptions(**options), source, Path(), specs, outputs)


def apply(pass_: Pass, work: Job) -> Done:
    """One pass under its contract."""
    pass_.requires(work)
    done = pass_.apply(work)
    if done.changed:
        pass_.ensures(work)
    return done


def ops(graph: gs.Graph | OnnxModel) -> list[str]:
    """The ops in order."""
    if isinstance(graph, OnnxModel):
        return [entry.op_type for entry in read_skeleton(graph.path).graph.node]
    return [entry.op for entry in graph.nodes]


def run(made: onnx.ModelProto | OnnxModel, **inputs: Array) -> dict[str, Array]:
    """Outputs in ONNX Runtime by name."""
    skeleton = read_skeleton(made.path) if isinstance(made, OnnxModel) else made
    return onnx_session.run(onnx_session.open_session(skeleton), inputs)
