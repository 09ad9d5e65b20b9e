from pathlib import Path

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node


def test_parts_that_are_not_equal(tmp_path: Path) -> None:
    made = model(
        [node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3)],
        ["x fp32 [2, 7]"],
        ["a fp32 [2, 3]", "b fp32 [2, 3]", "c fp32 [2, 1]"],
        opset=18,
    )
    check_rewritten(tmp_path, made, x=f32(2, 7))


def test_equal_parts_are_left_alone() -> None:
    check_left_alone(
        model(
            [node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)],
            ["x fp32 [2, 8]"],
            ["a fp32 [2, 4]", "b fp32 [2, 4]"],
            opset=18,
        )
    )
