from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import i64, model, node


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


def test_numbers_are_left_alone() -> None:
    check_left_alone(model([node("ReduceMax", ["x"], ["y"])], ["x fp32 [4, 2]"], ["y fp32 [1, 1]"]))
