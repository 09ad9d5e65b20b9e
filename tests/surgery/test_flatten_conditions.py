from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.surgery import rtx
from tests.surgery.models import f32, job, model, node, operated, ops, run, value
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


def squeezed_if_one(prefix: str, source: str) -> list[onnx.NodeProto]:
    """squeeze(0) where dim 0 is 1, as TorchScript exports it: an If over the shape."""
    yes = helper.make_graph(
        [
            node("Constant", [], [f"{prefix}_axis"], value_ints=[0]),
            node("Squeeze", [source, f"{prefix}_axis"], [f"{prefix}_s"]),
        ],
        "yes", [], [value(f"{prefix}_s fp32 [a, b]")],
    )  # fmt: skip
    no = helper.make_graph(
        [node("Identity", [source], [f"{prefix}_i"])],
        "no", [], [value(f"{prefix}_i fp32 [1, a, b]")],
    )  # fmt: skip
    return [
        node("Constant", [], [f"{prefix}_zero"], value_int=0),
        node("Constant", [], [f"{prefix}_one"], value_int=1),
        node("Shape", [source], [f"{prefix}_shape"]),
        node("Gather", [f"{prefix}_shape", f"{prefix}_zero"], [f"{prefix}_dim"]),
        node("Equal", [f"{prefix}_dim", f"{prefix}_one"], [f"{prefix}_is"]),
        node("If", [f"{prefix}_is"], [f"{prefix}_r"], then_branch=yes, else_branch=no),
        node("Neg", [f"{prefix}_r"], [f"{prefix}_y"]),
    ]


def decided_inside_an_if() -> onnx.ModelProto:
    one = helper.make_graph(squeezed_if_one("t", "x"), "one", [], [value("t_y fp32 [5, 8]")])
    two = helper.make_graph(
        [*squeezed_if_one("e", "x"), node("Abs", ["e_y"], ["e_z"])],
        "two", [], [value("e_z fp32 [5, 8]")],
    )  # fmt: skip
    return model(
        [node("If", ["flag"], ["y"], then_branch=one, else_branch=two)],
        ["x fp32 [1, 5, 8]", "flag bool []"],
        ["y fp32 [5, 8]"],
    )


def decided_inside_a_loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [
            *squeezed_if_one("b", "state"),
            node("Neg", ["state"], ["next"]),
            node("Identity", ["go"], ["on"]),
        ],
        "body",
        [value("i int64 []"), value("go bool []"), value("state fp32 [1, 5, 8]")],
        [value("on bool []"), value("next fp32 [1, 5, 8]"), value("b_y fp32 [5, 8]")],
    )
    return model(
        [node("Loop", ["two", "flag", "x"], ["end", "y"], body=body)],
        ["x fp32 [1, 5, 8]", "flag bool []"],
        ["end fp32 [1, 5, 8]", "y fp32 [n, 5, 8]"],
        {"two": np.int64(2)},
    )


@pytest.mark.parametrize("made", [decided_inside_an_if, decided_inside_a_loop])
def test_what_is_decided_inside_of_what_is_not_is_folded(made: object, tmp_path: Path) -> None:
    proto = made()  # type: ignore[operator]
    result = operated(tmp_path, proto, batch="keep")
    written = onnx.load(result.onnx.path)
    inside = [
        inner.op_type
        for outer in written.graph.node
        for attribute in outer.attribute
        for inner in attribute.g.node
    ]
    assert "Squeeze" in inside
    assert not {"If", "Shape", "Gather", "Equal"} & set(inside)
    x = f32(1, 5, 8)
    for choice in (True, False):
        expected = run(proto, x=x, flag=np.array(choice))["y"]
        got = run(result.onnx, x=x, flag=np.array([choice]))["y"]
        np.testing.assert_array_equal(got, expected)
    assert rtx.build(result.onnx.path, "SM86") == ""
