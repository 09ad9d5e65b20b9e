from pathlib import Path
from typing import Any

import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node

# A window of 3 every 3, over 4 and a padding of 1 at each end: the third starts on the padding.
POOL: dict[str, Any] = {
    "kernel_shape": [3, 3],
    "strides": [3, 3],
    "pads": [1, 1, 1, 1],
    "ceil_mode": 1,
}


@pytest.mark.parametrize("attrs", [{}, {"count_include_pad": 1}])
def test_a_window_on_the_padding_is_cut_off(tmp_path: Path, attrs: dict[str, Any]) -> None:
    made = model(
        [node("AveragePool", ["x"], ["y"], **POOL, **attrs)],
        ["x fp32 [1, 2, 5, 5]"],
        ["y fp32 [1, 2, 2, 2]"],
        opset=19,
    )
    check_rewritten(tmp_path, made, x=f32(1, 2, 5, 5))


def test_the_largest_as_well(tmp_path: Path) -> None:
    made = model(
        [node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1)],
        ["x fp32 [1, 2, 2, 3]"],
        ["y fp32 [1, 2, 1, 2]"],
        opset=22,
    )
    check_rewritten(tmp_path, made, by_reference=True, x=f32(1, 2, 2, 3))


@pytest.mark.parametrize("size", [4, 6, 7])
def test_windows_that_start_on_the_picture_are_left_alone(size: int) -> None:
    made = model(
        [node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
        [f"x fp32 [1, 2, {size}, {size}]"],
        ["y fp32 [1, 2, h, w]"],
    )
    check_left_alone(made)
