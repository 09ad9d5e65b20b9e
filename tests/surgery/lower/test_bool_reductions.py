from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import apply, i64, job, model, node, ops, run
from trtbuild.surgery.graph import model_from_graph
from trtbuild.surgery.lower.bool_reductions import BoolReductions


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin"])
def test_any_and_all(tmp_path: Path, op: str) -> None:
    made = model(
        [node(op, ["x", "axes"], ["y"], keepdims=0)],
        ["x bool [4, 2]"],
        ["y bool [4]"],
        {"axes": i64(1)},
        opset=20,
    )
    x = np.array([[True, True], [True, False], [False, True], [False, False]])
    check_rewritten(tmp_path, made, by_reference=True, x=x)


@pytest.mark.parametrize(("op", "answer"), [("ReduceMax", False), ("ReduceMin", True)])
def test_of_no_value(op: str, answer: bool) -> None:
    made = model(
        [node(op, ["x", "axes"], ["y"])],
        ["x bool [2, 0, 4]"],
        ["y bool [2, 1, 4]"],
        {"axes": i64(1)},
        opset=20,
    )
    work = job(made)
    assert apply(BoolReductions(), work).changed
    assert op not in ops(work.graph)
    got = run(model_from_graph(work.graph), x=np.zeros((2, 0, 4), bool))["y"]
    assert got.shape == (2, 1, 4)
    assert (got == answer).all()


def test_numbers_are_left_alone() -> None:
    check_left_alone(model([node("ReduceMax", ["x"], ["y"])], ["x fp32 [4, 2]"], ["y fp32 [1, 1]"]))
