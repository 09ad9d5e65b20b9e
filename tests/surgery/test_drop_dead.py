from pathlib import Path

import numpy as np
import pytest

from tests.surgery.models import apply, f32, i64, job, model, node, note, operated, ops, run
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.drop_dead import DropDead


def test_a_lean_graph_is_left_alone() -> None:
    lean = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    assert apply(DropDead(), job(lean)) == (False, "every node is needed")


def test_nodes_and_weights_that_nothing_reads_go() -> None:
    wasteful = model(
        [node("Relu", ["x"], ["y"]), node("Add", ["x", "w"], ["unread"])],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 4]"],
        {"w": f32(4)},
    )
    work = job(wasteful)
    assert apply(DropDead(), work) == (True, "dropped 1 Add")
    assert ops(work.graph) == ["Relu"]
    assert "w" not in work.graph.tensors()


def test_identity_and_dropout_are_bypassed_and_the_output_keeps_its_name(tmp_path: Path) -> None:
    trained = model(
        [
            node("Identity", ["x"], ["a"]),
            node("Dropout", ["a"], ["b"]),
            node("Relu", ["b"], ["c"]),
            node("Neg", ["c"], ["side"]),
            node("Identity", ["c"], ["y"]),
        ],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 4]", "side fp32 [n, 4]"],
    )
    result = operated(tmp_path, trained)
    assert ops(result.model) == ["Relu", "Neg"]
    x = f32(3, 4)
    outputs = run(result.onnx, x=x)
    np.testing.assert_array_equal(outputs["y"], np.maximum(x, 0))
    np.testing.assert_array_equal(outputs["side"], -np.maximum(x, 0))


def test_a_dropout_whose_mask_is_wanted_stays() -> None:
    masked = model(
        [node("Dropout", ["x"], ["y", "mask"])], ["x fp32 [n]"], ["y fp32 [n]", "mask bool [n]"]
    )
    assert apply(DropDead(), job(masked)).changed is False


def test_batch_normalization_leaves_training(tmp_path: Path) -> None:
    norm = node("BatchNormalization", ["x", *"sbmv"], ["y", "mean", "var"], training_mode=1)
    vectors = {name: np.full(3, 0.5, dtype=np.float32) for name in "sbmv"}
    trained = model([norm], ["x fp32 [n, 3]"], ["y fp32 [n, 3]"], vectors)
    result = operated(tmp_path, trained)
    assert note(result, "drop_dead").note == "1 BatchNormalization set to inference"
    x = f32(2, 3)
    expected = (x - 0.5) / np.sqrt(0.5 + 1e-5) * 0.5 + 0.5
    np.testing.assert_allclose(run(result.onnx, x=x)["y"], expected, rtol=1e-5)


def test_statistics_of_training_that_are_wanted_stay() -> None:
    norm = node("BatchNormalization", ["x", *"sbmv"], ["y", "mean", "var"], training_mode=1)
    vectors = {name: np.full(3, 0.5, dtype=np.float32) for name in "sbmv"}
    made = model([norm], ["x fp32 [n, 3]"], ["y fp32 [n, 3]", "mean fp32 [3]"], vectors)
    work = job(made)
    apply(DropDead(), work)
    assert work.graph.nodes[0].attrs["training_mode"] == 1


def test_constant_nodes_of_every_kind_become_initializers() -> None:
    nodes = [
        node("Constant", [], ["f"], value_float=2.0),
        node("Constant", [], ["shape"], value_ints=[-1]),
        node("Mul", ["x", "f"], ["m"]),
        node("Reshape", ["m", "shape"], ["y"]),
    ]
    work = job(model(nodes, ["x fp32 [n, 4]"], ["y fp32 [m]"]))
    assert apply(DropDead(), work) == (True, "2 constants made initializers")
    assert ops(work.graph) == ["Mul", "Reshape"]
    assert work.graph.nodes[1].inputs[1].values.tolist() == [-1]


def test_an_output_that_is_a_constant_is_made_by_a_node(tmp_path: Path) -> None:
    constant = model(
        [node("Relu", ["x"], ["y"]), node("Constant", [], ["c"], value_floats=[1.0, 2.0])],
        ["x fp32 [n]"],
        ["y fp32 [n]", "c fp32 [2]"],
    )
    result = operated(tmp_path, constant)
    assert sorted(ops(result.model)) == ["Identity", "Relu"]
    assert run(result.onnx, x=f32(1))["c"].tolist() == [1.0, 2.0]


def test_a_node_that_nothing_reads_breaks_the_promise() -> None:
    work = job(
        model(
            [node("Relu", ["x"], ["y"]), node("Reshape", ["x", "s"], ["z"])],
            ["x fp32 [n]"],
            ["y fp32 [n]"],
            {"s": i64(-1)},
        )
    )
    with pytest.raises(ContractError, match="nothing reads what Reshape"):
        DropDead().ensures(work)
