from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node

A = np.array([0, 1, -1, 12345, -54321, 2**31 - 1, -(2**31), 5], np.int32)
B = np.array([7, -1, 3, -777, -2, 255, 1, -(2**31)], np.int32)


@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_two_integers(tmp_path: Path, op: str) -> None:
    made = model(
        [node(op, ["a", "b"], ["y"])],
        ["a int32 [8]", "b int32 [8]"],
        ["y int32 [8]"],
        opset=18,
    )
    check_rewritten(tmp_path, made, by_reference=True, a=A, b=B)


@pytest.mark.parametrize(("name", "dtype"), [("int32", np.int32), ("int64", np.int64)])
def test_not(tmp_path: Path, name: str, dtype: type[np.generic]) -> None:
    made = model([node("BitwiseNot", ["a"], ["y"])], [f"a {name} [8]"], [f"y {name} [8]"], opset=18)
    check_rewritten(tmp_path, made, by_reference=True, a=A.astype(dtype))


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts(tmp_path: Path, direction: str) -> None:
    """Also by the width and more, and of negative numbers (which opset 28 allows)."""
    made = model(
        [node("BitShift", ["a", "by"], ["y"], direction=direction)],
        ["a int32 [8]", "by int32 [8]"],
        ["y int32 [8]"],
        opset=28,
    )
    by = np.array([1, 31, 1, 4, 3, 0, 31, 32], np.int32)
    check_rewritten(tmp_path, made, by_reference=True, a=A, by=by)


def test_64_bits_have_no_wider_type() -> None:
    made = model(
        [node("BitwiseAnd", ["a", "b"], ["y"])],
        ["a int64 [8]", "b int64 [8]"],
        ["y int64 [8]"],
        opset=18,
    )
    check_left_alone(made)
