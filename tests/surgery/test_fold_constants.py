from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import apply, f32, i64, job, model, node, note, operated, ops, run
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.fold_constants import FoldConstants


def test_what_no_input_reaches_is_computed(tmp_path: Path) -> None:
    made = model(
        [
            node("Add", ["w", "b"], ["s"]),
            node("Transpose", ["s"], ["t"]),
            node("MatMul", ["x", "t"], ["y"]),
        ],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 5]"],
        {"w": f32(5, 4), "b": f32(4)},
    )
    result = operated(tmp_path, made)
    assert ops(result.model) == ["MatMul"]
    assert note(result, "fold_constants").note == ("3 nodes became 1; constants grew by -16 bytes")
    x = f32(3, 4)
    np.testing.assert_allclose(run(result.onnx, x=x)["y"], run(made, x=x)["y"], rtol=1e-5)


def test_shapes_are_folded_as_far_as_they_are_static(tmp_path: Path) -> None:
    """[n, 3, 8, 8] -> [n, 192] through Shape, Slice, ReduceProd and Concat."""
    made = model(
        [
            node("Shape", ["x"], ["rest"], start=1),
            node("ReduceProd", ["rest"], ["flat"]),
            node("Shape", ["x"], ["first"], start=0, end=1),
            node("Concat", ["first", "flat"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["y"]),
        ],
        ["x fp32 [n, 3, 8, 8]"],
        ["y fp32 [n, m]"],
    )
    result = operated(tmp_path, made)
    assert ops(result.model) == ["Shape", "Concat", "Reshape"]
    assert run(result.onnx, x=f32(2, 3, 8, 8))["y"].shape == (2, 192)


def test_half_a_size_is_not_nothing(tmp_path: Path) -> None:
    """onnx-graphsurgeon 0.6.1 drops the casts here and multiplies by int(0.5)."""
    made = model(
        [
            node("Shape", ["x"], ["s"], start=2),
            node("Cast", ["s"], ["f"], to=1),
            node("Mul", ["f", "half"], ["h"]),
            node("Cast", ["h"], ["size"], to=7),
            node("Concat", ["start", "size"], ["sizes"], axis=0),
            node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest"),
        ],
        ["x fp32 [1, 3, 8, 8]"],
        ["y fp32 [1, 3, h, w]"],
        {"half": np.float32(0.5), "start": i64(1, 3)},
    )
    result = operated(tmp_path, made, batch="keep")
    assert ops(result.model) == ["Resize"]
    assert run(result.onnx, x=f32(1, 3, 8, 8))["y"].shape == (1, 3, 4, 4)


def test_the_file_does_not_blow_up(tmp_path: Path) -> None:
    """A weight of 16 MB that is one repeated value stays an op."""
    made = model(
        [
            node("ConstantOfShape", ["shape"], ["w"]),
            node("Expand", ["v", "shape"], ["e"]),
            node("Add", ["w", "e"], ["s"]),
            node("MatMul", ["x", "s"], ["y"]),
        ],
        ["x fp32 [n, 2048]"],
        ["y fp32 [n, 2048]"],
        {"shape": i64(2048, 2048), "v": f32(1)},
    )
    result = operated(tmp_path, made)
    assert ops(result.model) == ["ConstantOfShape", "Expand", "Add", "MatMul"]
    assert result.model.size_bytes < 2000


def test_results_of_unknown_size_are_folded_only_when_they_turn_out_small(tmp_path: Path) -> None:
    made = model(
        [node("NonZero", ["w"], ["where"]), node("Add", ["x", "where"], ["y"])],
        ["x int64 [1, n]"],
        ["y int64 [1, n]"],
        {"w": np.array([0, 1, 2], np.float32)},
    )
    result = operated(tmp_path, made)
    assert ops(result.model) == ["Add"]
    assert run(result.onnx, x=np.array([[5]]))["y"].tolist() == [[6, 7]]


def test_large_weights_are_left_to_tensorrt(tmp_path: Path) -> None:
    made = model(
        [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])],
        ["x fp32 [n, 600]"],
        ["y fp32 [n, 600]"],
        {"w": f32(600, 600)},
    )
    assert ops(operated(tmp_path, made).model) == ["Transpose", "MatMul"]


@pytest.mark.parametrize(
    "nodes",
    [
        [
            node("DequantizeLinear", ["q", "s"], ["w"]),
            node("Mul", ["x", "w"], ["y"]),
        ],
        [node("RandomUniformLike", ["v"], ["w"]), node("Mul", ["x", "w"], ["y"])],
    ],
    ids=["quantized", "random"],
)
def test_what_must_stay_an_op_does(tmp_path: Path, nodes: list[onnx.NodeProto]) -> None:
    weights = {"q": np.array([1, 2], np.int8), "s": np.float32(0.5), "v": f32(2)}
    made = model(nodes, ["x fp32 [n, 2]"], ["y fp32 [n, 2]"], weights)
    assert ops(operated(tmp_path, made).model) == [nodes[0].op_type, "Mul"]


def test_an_op_without_a_kernel_does_not_stop_the_others(tmp_path: Path) -> None:
    """ONNX Runtime's CPU provider has no Max for int16; TensorRT's parser has the last word."""
    made = model(
        [
            node("Max", ["b", "b"], ["bb"]),
            node("Cast", ["bb"], ["f"], to=1),
            node("Neg", ["v"], ["negative"]),
            node("Mul", ["f", "negative"], ["s"]),
            node("Mul", ["x", "negative"], ["m"]),
            node("Add", ["m", "s"], ["y"]),
        ],
        ["x fp32 [n]"],
        ["y fp32 [n]"],
        {"b": np.array([1], np.int16), "v": np.array([3], np.float32)},
    )
    work = job(made)
    assert apply(FoldConstants(), work).changed
    assert sorted(ops(work.graph)) == ["Add", "Cast", "Max", "Mul", "Mul"]


def test_nothing_to_fold_is_said() -> None:
    lean = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    assert apply(FoldConstants(), job(lean)) == (
        False,
        "what is constant is a constant already, or too large to be one",
    )


def test_constants_that_grew_too_far_break_the_promise() -> None:
    made = model(
        [node("Neg", ["w"], ["n"]), node("Add", ["x", "n"], ["y"])],
        ["x fp32 [4]"],
        ["y fp32 [4]"],
        {"w": f32(4)},
    )
    pass_, work = FoldConstants(), job(made)
    apply(pass_, work)
    work.graph.nodes[0].inputs[1].values = f32(1 << 19)
    with pytest.raises(ContractError, match="constants grew by"):
        pass_.ensures(work)
