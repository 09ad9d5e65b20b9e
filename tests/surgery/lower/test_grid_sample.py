from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node

GRID = np.random.default_rng(1).uniform(-1.6, 1.6, (2, 3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_pictures(tmp_path: Path, mode: str, padding: str, align: int) -> None:
    made = model(
        [
            node(
                "GridSample", ["x", "grid"], ["y"],
                mode=mode, padding_mode=padding, align_corners=align,
            )
        ],
        ["x fp32 [2, 3, 4, 6]", "grid fp32 [2, 3, 5, 2]"],
        ["y fp32 [2, 3, 3, 5]"],
        opset=20,
    )  # fmt: skip
    check_rewritten(tmp_path, made, x=f32(2, 3, 4, 6), grid=GRID)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_volumes(tmp_path: Path, mode: str) -> None:
    made = model(
        [node("GridSample", ["x", "grid"], ["y"], mode=mode)],
        ["x fp32 [1, 2, 3, 4, 5]", "grid fp32 [1, 2, 2, 3, 3]"],
        ["y fp32 [1, 2, 2, 2, 3]"],
        opset=20,
    )
    grid = np.random.default_rng(2).uniform(-1.2, 1.2, (1, 2, 2, 3, 3)).astype(np.float32)
    check_rewritten(tmp_path, made, x=f32(1, 2, 3, 4, 5), grid=grid)


def test_sizes_that_vary_are_left_alone() -> None:
    check_left_alone(
        model(
            [node("GridSample", ["x", "grid"], ["y"])],
            ["x fp32 [1, 3, h, w]", "grid fp32 [1, 3, 5, 2]"],
            ["y fp32 [1, 3, 3, 5]"],
        )
    )
