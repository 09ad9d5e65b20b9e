from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import i64, model, node, operated, run

X = np.arange(1, 41, dtype=np.int64).reshape(2, 4, 5)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-6, -1, 0, 2, 6])
def test_integers(tmp_path: Path, upper: int, k: int) -> None:
    made = model(
        [node("Trilu", ["x", "k"], ["y"], upper=upper)],
        ["x int64 [2, 4, 5]"],
        ["y int64 [2, 4, 5]"],
        {"k": np.int64(k)},
    )
    check_rewritten(tmp_path, made, x=X)


@pytest.mark.parametrize("upper", [0, 1])
def test_sizes_that_vary(tmp_path: Path, upper: int) -> None:
    made = model(
        [node("Trilu", ["x", "k"], ["y"], upper=upper)],
        ["x int64 [2, n, m]"],
        ["y int64 [2, n, m]"],
        {"k": i64(1)[0]},
    )
    result = operated(tmp_path, made, batch="keep")
    for x in (X, X[:, :2], X[:, :, :1]):
        np.testing.assert_array_equal(run(result.onnx, x=x)["y"], run(made, x=x)["y"])


def test_floats_are_left_alone() -> None:
    check_left_alone(
        model([node("Trilu", ["x"], ["y"])], ["x fp32 [2, 4, 5]"], ["y fp32 [2, 4, 5]"])
    )
