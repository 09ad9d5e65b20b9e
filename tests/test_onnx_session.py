from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbuild.onnx_session import open_session, ort_value, run
from trtbuild.onnx_weights import array_of, read_skeleton

WEIGHT = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)


def model(
    nodes: list[onnx.NodeProto], kind: int, weights: dict[str, np.ndarray] | None = None
) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, kind, ["n", 64]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_a_skeleton_runs_on_weights_where_they_lie(tmp_path: Path) -> None:
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], 1, {"w": WEIGHT})
    onnx.save(made, tmp_path / "m.onnx")
    skeleton = read_skeleton(tmp_path / "m.onnx")
    x = np.ones((2, 64), np.float32)
    y = run(open_session(skeleton), {"x": x})["y"]
    np.testing.assert_allclose(y, x @ WEIGHT, rtol=1e-4, atol=1e-4)
    doubled = open_session(skeleton, lambda tensor: array_of(tensor) * 2)
    np.testing.assert_allclose(run(doubled, {"x": x})["y"], 2 * y, rtol=1e-4, atol=1e-4)


def test_weights_of_half_a_byte_are_taken_too(tmp_path: Path) -> None:
    quantized = (np.arange(64 * 256) % 7 - 3).astype(ml_dtypes.int4).reshape(256, 64)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"]),
        helper.make_node("Gather", ["w", "rows"], ["g"]),
        helper.make_node("Add", ["x", "g"], ["y"]),
    ]
    weights = {"q": quantized, "s": np.array(0.5, np.float32), "rows": np.array([5])}
    onnx.save(model(nodes, 1, weights), tmp_path / "m.onnx")
    session = open_session(read_skeleton(tmp_path / "m.onnx"))
    y = run(session, {"x": np.zeros((1, 64), np.float32)})["y"]
    np.testing.assert_array_equal(y, quantized[[5]].astype(np.float32) * 0.5)


@pytest.mark.parametrize(
    "kind",
    [
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.DOUBLE,
        TensorProto.BFLOAT16,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT8E5M2,
        TensorProto.FLOAT8E4M3FNUZ,
        TensorProto.BOOL,
        TensorProto.INT8,
        TensorProto.UINT16,
        TensorProto.INT64,
    ],
    ids=TensorProto.DataType.Name,
)
def test_values_of_every_type_go_in_and_come_out(kind: int) -> None:
    numpy_type = helper.tensor_dtype_to_np_dtype(kind)
    x = (np.arange(128).reshape(2, 64) % 2).astype(numpy_type)
    session = open_session(model([helper.make_node("Identity", ["x"], ["y"])], kind))
    y = run(session, {"x": x})["y"]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)


def test_strings_go_in_and_come_out() -> None:
    session = open_session(model([helper.make_node("Identity", ["x"], ["y"])], TensorProto.STRING))
    x = np.array([["a"] * 64], dtype=object)
    assert run(session, {"x": x})["y"].tolist() == x.tolist()


def test_an_array_that_is_not_contiguous_is_taken() -> None:
    array = np.arange(8).astype(ml_dtypes.bfloat16).reshape(2, 4).T
    assert ort_value(array).shape() == [4, 2]


def test_a_transpose_before_a_product_in_fp16_does_not_kill_the_process() -> None:
    """onnxruntime 1.31 with all optimizations does."""
    weights = {"w": np.ones((64, 64), np.float16), "b": np.ones(64, np.float16)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["t", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    made = model(nodes, TensorProto.FLOAT16, weights)
    for value in (made.graph.input[0], made.graph.output[0]):
        value.CopyFrom(
            helper.make_tensor_value_info(value.name, TensorProto.FLOAT16, [None, None, 64])
        )
    y = run(open_session(made), {"x": np.ones((3, 2, 64), np.float16)})["y"]
    assert y.shape == (2, 3, 64)
    assert (y == 65).all()


def test_what_onnx_runtime_refuses_is_raised() -> None:
    made = model([helper.make_node("Relu", ["x"], ["y"])], TensorProto.BFLOAT16)
    with pytest.raises(Exception, match="Could not find an implementation for Relu"):
        open_session(made)
