"""Tiny ONNX models, each for one thing that TensorRT takes or refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trtbuild.artifacts import OnnxModel
from trtbuild.onnx_model import describe

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def value(name: str, dtype: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name: str, shape: tuple[int, ...], dtype: int) -> onnx.TensorProto:
    array = np.random.default_rng(1).random(shape, np.float32)
    return numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(dtype)), name)


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto] | None = None,
    opset: int = 21,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants or [])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.acme", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def saved(proto: onnx.ModelProto, folder: Path, name: str = "model") -> OnnxModel:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, path := folder / f"{name}.onnx")
    return describe(path)


def node(op: str, reads: list[str], makes: list[str], name: str, **more: Any) -> onnx.NodeProto:
    return helper.make_node(op, reads, makes, name=name, **more)


def matmul(dtype: int = TensorProto.FLOAT16, wide: int = 64) -> onnx.ModelProto:
    """`x [batch, wide] -> fc -> act -> z [batch, 32]`."""
    return model(
        [node("MatMul", ["x", "w"], ["y"], "fc"), node("Relu", ["y"], ["z"], "act")],
        [value("x", dtype, ["batch", wide])],
        [value("z", dtype, ["batch", 32])],
        [weight("w", (wide, 32), dtype)],
    )


def convolution(dtype: int, dims: int) -> onnx.ModelProto:
    return model(
        [node("Conv", ["x", "w"], ["y"], "conv")],
        [value("x", dtype, ["batch", 4, *([8] * dims)])],
        [value("y", dtype, ["batch", 8, *([6] * dims)])],
        [weight("w", (8, 4, *([3] * dims)), dtype)],
    )


def quantized_matmul(quantized: int, high: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """QuantizeLinear and DequantizeLinear around both inputs of `fc`."""
    return model(
        [
            node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], "q"),
            node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"], "dq"),
            node("DequantizeLinear", ["w", "scale", "zero"], ["wd"], "dqw"),
            node("MatMul", ["xd", "wd"], ["y"], "fc"),
        ],
        [value("x", high, ["batch", 64])],
        [value("y", high, ["batch", 32])],
        [
            helper.make_tensor("scale", high, [], [0.1]),
            helper.make_tensor("zero", quantized, [], [0]),
            helper.make_tensor("w", quantized, (64, 32), [1] * 2048),
        ],
    )


def weight_only_matmul() -> onnx.ModelProto:
    """int8 weights, dequantized to fp16."""
    half = TensorProto.FLOAT16
    return model(
        [
            node("DequantizeLinear", ["w", "scale", "zero"], ["wd"], "dqw"),
            node("MatMul", ["x", "wd"], ["y"], "fc"),
        ],
        [value("x", half, ["batch", 64])],
        [value("y", half, ["batch", 32])],
        [
            helper.make_tensor("scale", half, [], [0.1]),
            helper.make_tensor("zero", TensorProto.INT8, [], [0]),
            helper.make_tensor("w", TensorProto.INT8, (64, 32), [1] * 2048),
        ],
    )


def elementwise() -> onnx.ModelProto:
    dtype = TensorProto.FLOAT
    return model(
        [
            node("Add", ["x", "x"], ["a"], "add"),
            node("Sigmoid", ["a"], ["b"], "sigmoid"),
            node("Softmax", ["b"], ["y"], "softmax"),
        ],
        [value("x", dtype, ["batch", 16])],
        [value("y", dtype, ["batch", 16])],
    )


def nonzero() -> onnx.ModelProto:
    return model(
        [
            node("Relu", ["x"], ["a"], "act"),
            node("NonZero", ["a"], ["y"], "nz"),
        ],
        [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("y", TensorProto.INT64, [2, "count"])],
    )


def custom_op() -> onnx.ModelProto:
    """An op of a domain that nobody knows, and an op behind it."""
    return model(
        [
            node("Relu", ["x"], ["a"], "act"),
            node("Foo", ["a"], ["b"], "acme/foo", domain="com.acme"),
            node("Tanh", ["b"], ["y"], "tanh"),
        ],
        [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("y", TensorProto.FLOAT, ["batch", 3])],
    )


def identity(dtype: int) -> onnx.ModelProto:
    return model(
        [node("Identity", ["x"], ["y"], "same")],
        [value("x", dtype, ["batch", 4])],
        [value("y", dtype, ["batch", 4])],
        opset=23,
    )


def shape_input() -> onnx.ModelProto:
    """The values of input `shape` are the shape of the output."""
    return model(
        [node("Expand", ["x", "shape"], ["y"], "expand")],
        [value("x", TensorProto.FLOAT, [1, 4]), value("shape", TensorProto.INT64, [2])],
        [value("y", TensorProto.FLOAT, ["a", "b"])],
    )


def four_rows_only() -> onnx.ModelProto:
    """`x [batch, 4]` plus a `[4, 4]` constant: only a batch of 1 or 4 works."""
    return model(
        [node("Add", ["x", "w"], ["y"], "add")],
        [value("x", TensorProto.FLOAT, ["batch", 4])],
        [value("y", TensorProto.FLOAT, [4, 4])],
        [weight("w", (4, 4), TensorProto.FLOAT)],
    )
