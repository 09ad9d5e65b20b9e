from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, i64, model, node


def back(
    image: list[int], block: list[int], columns: int, channels: int | str, **attrs: Any
) -> onnx.ModelProto:
    return model(
        [node("Col2Im", ["x", "image", "block"], ["y"], **attrs)],
        [f"x fp32 [n, {channels}, {columns}]"],
        ["y fp32 [n, c, h, w]"] if len(image) == 2 else ["y fp32 [n, c, d, h, w]"],
        {"image": i64(*image), "block": i64(*block)},
        opset=18,
    )


@pytest.mark.parametrize(
    ("image", "block", "columns", "attrs"),
    [
        ([5, 5], [1, 5], 5, {}),
        ([5, 6], [3, 3], 12, {}),
        ([5, 5], [3, 3], 4, {"strides": [2, 2]}),
        ([5, 5], [1, 5], 15, {"pads": [0, 1, 0, 1]}),
        ([6, 6], [2, 2], 5, {"dilations": [1, 5]}),
        ([3, 4, 5], [1, 1, 5], 12, {}),
    ],
)
def test_pixels_are_summed(
    tmp_path: Path, image: list[int], block: list[int], columns: int, attrs: dict[str, Any]
) -> None:
    size = 1
    for part in block:
        size *= part
    made = back(image, block, columns, 2 * size, **attrs)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2 * size, columns))


@pytest.mark.parametrize("made", [back([5, 5], [1, 5], 5, "c"), back([140, 1], [70, 1], 71, 70)])
def test_unknown_channels_and_large_blocks_are_left_alone(made: onnx.ModelProto) -> None:
    check_left_alone(made)
