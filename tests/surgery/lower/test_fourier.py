from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import Array, f32, i64, model, node


def transform(
    shape: str, axis: int | None = None, length: int | None = None, opset: int = 20, **attrs: Any
) -> onnx.ModelProto:
    inputs, constants = ["x"], dict[str, Array]()
    if length is not None:
        inputs, constants["length"] = ["x", "length"], i64(length).reshape(())
    if axis is not None and opset >= 20:
        inputs = [*inputs, *[""] * (2 - len(inputs)), "axis"]
        constants["axis"] = i64(axis).reshape(())
    elif axis is not None:
        attrs["axis"] = axis
    return model(
        [node("DFT", inputs, ["y"], **attrs)],
        [f"x fp32 [{shape}]"],
        ["y fp32 [n, a, b, c]"],
        constants,
        opset=opset,
    )


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("axis", [1, 2, -2])
@pytest.mark.parametrize("attrs", [{}, {"onesided": 1}])
def test_of_real_numbers(tmp_path: Path, opset: int, axis: int, attrs: dict[str, Any]) -> None:
    if opset < 20 and axis < 0:
        axis = 1
    made = transform("n, 6, 9, 1", axis, opset=opset, **attrs)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 6, 9, 1))


@pytest.mark.parametrize("attrs", [{}, {"inverse": 1}])
@pytest.mark.parametrize("length", [None, 4, 8])
def test_of_complex_numbers(tmp_path: Path, attrs: dict[str, Any], length: int | None) -> None:
    """A length of less than there is cuts off, one of more fills up with zeros."""
    made = transform("n, 6, 9, 2", 1, length, **attrs)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 6, 9, 2))


@pytest.mark.parametrize("length", [None, 9])
def test_back_to_real_numbers(tmp_path: Path, length: int | None) -> None:
    made = transform("n, 5, 9, 2", 1, length, inverse=1, onesided=1)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 5, 9, 2))


def test_a_size_that_varies_is_left_alone() -> None:
    check_left_alone(transform("1, n, 9, 1", 1))
