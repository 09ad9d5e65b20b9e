"""Clip with its lower bound above the upper one."""

from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_crossed_bounds_give_the_upper_one(dtype: type[np.generic], tmp_path: Path) -> None:
    name = {np.float32: "fp32", np.float16: "fp16", np.int64: "int64"}[dtype]
    made = model(
        [node("Clip", ["x", "low", "high"], ["y"])],
        [f"x {name} [3]"],
        [f"y {name} [3]"],
        {"low": np.array(2, dtype), "high": np.array(1, dtype)},
    )
    check_rewritten(tmp_path, made, by_reference=True, x=np.array([-2, 0, 6], dtype))


def test_other_bounds_are_left_alone() -> None:
    check_left_alone(
        model(
            [
                node("Clip", ["x", "low", "high"], ["y"]),
                node("Clip", ["x", "low"], ["z"]),
                node("Clip", ["x", "low", "n"], ["w"]),
            ],
            ["x fp32 [3]", "n fp32 []"],
            ["y fp32 [3]", "z fp32 [3]", "w fp32 [3]"],
            {"low": np.float32(1), "high": np.float32(2)},
        )
    )
