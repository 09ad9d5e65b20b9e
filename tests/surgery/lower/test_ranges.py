from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node


@pytest.mark.parametrize(
    ("start", "limit", "delta"), [(10, 4, -2), (0, 7, 3), (5, 5, 1), (1, 10, 4)]
)
@pytest.mark.parametrize("dtype", [np.int32, np.float16, np.int64])
def test_of_constants(
    tmp_path: Path, start: int, limit: int, delta: int, dtype: type[np.generic]
) -> None:
    count = len(range(start, limit, delta))
    name = {np.int32: "int32", np.float16: "fp16", np.int64: "int64"}[dtype]
    made = model(
        [node("Range", ["a", "b", "c"], ["r"]), node("Add", ["r", "x"], ["y"])],
        [f"x {name} [1]"],
        [f"y {name} [{count}]"],
        {"a": dtype(start), "b": dtype(limit), "c": dtype(delta)},
        opset=27,
    )
    if count:
        check_rewritten(tmp_path, made, by_reference=True, x=np.ones(1, dtype))


def test_of_what_is_computed_is_left_alone() -> None:
    check_left_alone(
        model(
            [node("Range", ["a", "b", "c"], ["y"])],
            ["b int64 []"],
            ["y int64 [n]"],
            {"a": np.int64(0), "c": np.int64(1)},
        )
    )
