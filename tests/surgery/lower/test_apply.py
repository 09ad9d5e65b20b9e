from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, job, model, node, note, operated
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.lower.reductions import Reductions

GRU = {"hidden_size": 5, "layout": 1}


def test_what_was_rewritten_is_said(tmp_path: Path) -> None:
    made = model(
        [
            node("ReduceL2", ["x"], ["a"], axes=[1], name="norm"),
            node("ReduceL2", ["x"], ["b"], axes=[0], name="other"),
            node("ReduceL1", ["x"], ["c"], axes=[0]),
        ],
        ["x fp32 [3, 4]"],
        ["a fp32 [3, 1]", "b fp32 [1, 4]", "c fp32 [1, 4]"],
    )
    result = operated(tmp_path, made, batch="keep")
    assert note(result, "lower_ops").note == (
        "in ops that TensorRT does right: ReduceL2 'norm' and 1 more, ReduceL1 'c'"
    )


def test_inside_a_branch_as_well(tmp_path: Path) -> None:
    from onnx import helper

    from tests.surgery.models import value

    def branch(op: str) -> object:
        return helper.make_graph(
            [node(op, ["x"], [f"out_{op}"], keepdims=1)], op, [], [value(f"out_{op} fp32 [1, 1]")]
        )

    then, other = branch("ReduceL1"), branch("ReduceSum")
    made = model(
        [node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
        ["x fp32 [3, 4]", "c bool [1]"],
        ["y fp32 [1, 1]"],
    )
    check_rewritten(tmp_path, made, x=f32(3, 4), c=np.array([True]))


def test_plain_ops_are_left_alone() -> None:
    check_left_alone(
        model([node("Relu", ["x"], ["y"])], ["x fp32 [n, 3]"], ["y fp32 [n, 3]"]),
    )


def test_a_promise_is_held() -> None:
    made = model(
        [node("ReduceL1", ["x"], ["y"], axes=[1], name="r")], ["x fp32 [3, 4]"], ["y fp32 [3, 1]"]
    )
    with pytest.raises(ContractError, match="'r' is still ReduceL1"):
        Reductions().ensures(job(made))
