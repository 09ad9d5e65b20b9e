import numpy as np
import onnx
import pytest
from onnx import helper

from tests.surgery.models import f32, job, model, node, ops, run, value
from trtbuild.surgery.contract import check_sound
from trtbuild.surgery.drop_dead import DropDead
from trtbuild.surgery.flatten_conditions import flatten_conditions
from trtbuild.surgery.graph import model_from_graph


def branch(op: str) -> onnx.GraphProto:
    """A branch that reads the outer x and a weight of its own, whose name both branches use."""
    weight = onnx.numpy_helper.from_array(np.array([2.0], np.float32), "own")
    nodes = [node(op, ["x", "own"], ["inner"]), node("Relu", ["inner"], ["out"])]
    return helper.make_graph(nodes, op, [], [value("out fp32 [n, 4]")], [weight])


def conditional(condition: object = None) -> onnx.ModelProto:
    choose = node("If", ["c"], ["y"], then_branch=branch("Mul"), else_branch=branch("Div"))
    inputs = ["x fp32 [n, 4]"] + (["c bool []"] if condition is None else [])
    weights = {} if condition is None else {"c": condition}
    return model([choose], inputs, ["y fp32 [n, 4]"], weights)


@pytest.mark.parametrize(("condition", "factor"), [(True, 2.0), (False, 0.5)])
def test_the_branch_taken_replaces_the_if(condition: bool, factor: float) -> None:
    work = job(conditional(np.array(condition)))
    assert flatten_conditions(work.graph) == 1
    DropDead().apply(work)
    check_sound(work.graph)
    assert ops(work.graph) == ["Mul" if condition else "Div", "Relu"]
    x = np.abs(f32(2, 4))
    np.testing.assert_allclose(run(model_from_graph(work.graph), x=x)["y"], x * factor)


def test_a_condition_that_depends_on_an_input_stays() -> None:
    work = job(conditional())
    assert flatten_conditions(work.graph) == 0
    assert ops(work.graph) == ["If"]


def test_a_branch_that_hands_on_an_outer_tensor_is_flattened_too() -> None:
    same = helper.make_graph(
        [node("Identity", ["x"], ["out"])], "same", [], [value("out fp32 [n, 4]")]
    )
    choose = node("If", ["c"], ["y"], then_branch=same, else_branch=branch("Div"))
    work = job(model([choose], ["x fp32 [n, 4]"], ["y fp32 [n, 4]"], {"c": np.array(True)}))
    assert flatten_conditions(work.graph) == 1
    x = f32(1, 4)
    np.testing.assert_array_equal(run(model_from_graph(work.graph), x=x)["y"], x)
