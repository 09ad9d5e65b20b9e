from pathlib import Path

import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("opset", [17, 18])
def test_mean_and_deviation(tmp_path: Path, axis: int, opset: int) -> None:
    size, kept = (4, "3, 1") if axis == -1 else (12, "1, 1")
    scale = f32(4) if axis == -1 else f32(3, 4)
    assert scale.size == size
    made = model(
        [node("LayerNormalization", ["x", "s"], ["y", "mean", "inverse"], axis=axis)],
        ["x fp32 [2, 3, 4]"],
        ["y fp32 [2, 3, 4]", f"mean fp32 [2, {kept}]", f"inverse fp32 [2, {kept}]"],
        {"s": scale},
        opset=opset,
    )
    check_rewritten(tmp_path, made, x=f32(2, 3, 4))


def test_one_output_is_left_alone() -> None:
    check_left_alone(
        model(
            [node("LayerNormalization", ["x", "s"], ["y"])],
            ["x fp32 [n, 4]"],
            ["y fp32 [n, 4]"],
            {"s": f32(4)},
        )
    )
