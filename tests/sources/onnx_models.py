"""ONNX models that tests convert."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def affine(
    opset: int = 17,
    rows: int = 4,
    columns: int = 3,
    output: Sequence[int | str] | None = ("batch", 3),
) -> onnx.ModelProto:
    """y = softmax(x @ w); `output` None: its shape is not said."""
    weight = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    return helper.make_model(
        helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
                helper.make_node("Softmax", ["h"], ["y"], name="scores", axis=1),
            ],
            "affine",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", rows])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
            [numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
        producer_name="tests",
        producer_version="1",
    )


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def save_external(model: onnx.ModelProto, path: Path, location: str) -> Path:
    """The model with every initializer in the file `location`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, path, save_as_external_data=True, location=location, size_threshold=0)
    return path


def point_to(model: onnx.ModelProto, location: str, size: int) -> onnx.ModelProto:
    """The model with its one weight said to lie at `location`, wherever that is."""
    [tensor] = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return model


def with_op(op_type: str, domain: str = "", opset: int = 17) -> onnx.ModelProto:
    """y = op(x), fp32 [batch, 4] both."""
    value = helper.make_tensor_value_info
    return helper.make_model(
        helper.make_graph(
            [helper.make_node(op_type, ["x"], ["y"], name="the_op", domain=domain)],
            "one_op",
            [value("x", TensorProto.FLOAT, ["batch", 4])],
            [value("y", TensorProto.FLOAT, ["batch", 4])],
        ),
        opset_imports=[
            helper.make_opsetid("", opset),
            *([helper.make_opsetid(domain, 1)] if domain else []),
        ],
        ir_version=8,
    )
