from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node, ops

INF = np.inf


def test_the_sign_is_the_divisors(tmp_path: Path) -> None:
    made = model(
        [node("Mod", ["x", "d"], ["y"])],
        ["x fp32 [8]", "d fp32 [8]"],
        ["y fp32 [8]"],
        opset=28,
    )
    x = np.array([-4.3, 7.2, 5, 4.3, -7.2, 8, 3, -3], np.float32)
    d = np.array([2.1, -3.4, 8, -2.1, 3.4, 5, INF, INF], np.float32)
    check_rewritten(tmp_path, made, by_reference=True, x=x, d=d)


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_by_infinity_there_remains_what_is_divided(tmp_path: Path, fmod: int, dtype: str) -> None:
    made = model(
        [node("Mod", ["x", "d"], ["y"], fmod=fmod)],
        [f"x {dtype} [6]", f"d {dtype} [6]"],
        [f"y {dtype} [6]"],
        opset=28,
    )
    numpy_type = {"fp32": np.float32, "fp16": np.float16}[dtype]
    x = np.array([-3, 3, -1, 1, 65504, 2], numpy_type)
    d = np.array([INF, INF, -INF, -INF, INF, 3], numpy_type)
    result = check_rewritten(tmp_path, made, by_reference=True, x=x, d=d)
    assert ops(result).count("Mod") == 1


def test_remainders_of_c_and_of_integers_are_left_alone() -> None:
    check_left_alone(
        model(
            [node("Mod", ["x", "d"], ["y"], fmod=1), node("Mod", ["i", "i"], ["j"])],
            ["x fp32 [3]", "i int64 [3]"],
            ["y fp32 [3]", "j int64 [3]"],
            {"d": np.float32(2)},
        )
    )
