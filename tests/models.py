"""Tiny ONNX files for tests of the whole pipeline; each builds in well under a second."""

from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[str | int | None]


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[int, Dims]],
    outputs: dict[str, tuple[int, Dims]],
    weights: dict[str, object] | None = None,
) -> Path:
    """A model of opset 17 from nodes, name -> (element type, dims) and name -> array."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(n, t, list(d)) for n, (t, d) in inputs.items()],
        [helper.make_tensor_value_info(n, t, list(d)) for n, (t, d) in outputs.items()],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def linear(path: Path, width: int = 8, dtype: int = TensorProto.FLOAT) -> Path:
    """y [batch, width] = relu(x [batch, width] @ w)."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((width, width)).astype(helper.tensor_dtype_to_np_dtype(dtype))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    shape: Dims = ("batch", width)
    return save(path, nodes, {"x": (dtype, shape)}, {"y": (dtype, shape)}, {"w": weight})


def bf16_inside(path: Path) -> Path:
    """fp32 in and out, a bf16 matrix product between: compute capability 7.5 has no bf16."""
    weight = np.eye(8).astype(ml_dtypes.bfloat16)
    nodes = [
        helper.make_node("Cast", ["x"], ["xb"], to=TensorProto.BFLOAT16),
        helper.make_node("MatMul", ["xb", "w"], ["h"], name="product"),
        helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
    ]
    spec = (TensorProto.FLOAT, ("batch", 8))
    return save(path, nodes, {"x": spec}, {"y": spec}, {"w": weight})


def deep(path: Path, layers: int = 60) -> Path:
    """Many convolutions of different widths: its plan takes seconds to build."""
    rng = np.random.default_rng(0)
    nodes, weights, width, last = [], {}, 8, "x"
    for i in range(layers):
        wider = 8 + i % 7 * 8
        weights[f"w{i}"] = rng.standard_normal((wider, width, 3, 3)).astype(np.float32) / width
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        width, last = wider, f"r{i}"
    nodes.append(helper.make_node("Identity", [last], ["y"]))
    return save(
        path,
        nodes,
        {"x": (TensorProto.FLOAT, ("batch", 8, 32, 32))},
        {"y": (TensorProto.FLOAT, ("batch", width, 32, 32))},
        dict(weights),
    )
