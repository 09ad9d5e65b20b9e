from pathlib import Path

import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, i64, model, node, ops
from trtbuild.plan.wrong_forms import wrong_forms

PARTS = ["a", "b", "c"]


def split(sizes: list[int], join: int = -1, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """x in parts along the last axis, the first of them scaled and all joined again."""
    return model(
        [
            node("Split", ["x", "sizes"], PARTS, axis=-1),
            node("Relu", ["a"], ["r"]),
            node("Concat", ["r", "b", "c"], ["y"], axis=join),
        ],
        ["x fp32 [n, 2, 6]"],
        [f"{name} fp32 [n, 2, d{name}]" for name in outputs],
        {"sizes": i64(*sizes)},
    )


@pytest.mark.parametrize(("sizes", "left"), [([4, 2, 0], 1), ([4, 0, 2], 1), ([6, 0, 0], 0)])
@pytest.mark.parametrize("join", [-1, 2])
def test_what_is_empty_is_not_joined(
    tmp_path: Path, sizes: list[int], left: int, join: int
) -> None:
    result = check_rewritten(tmp_path, split(sizes, join), x=f32(2, 2, 6))
    assert ops(result).count("Split") == left
    assert wrong_forms(onnx.load(result.path)) == []


@pytest.mark.parametrize(
    "made", [split([2, 2, 2]), split([4, 2, 0], outputs=("y", "c")), split([0, 4, 2])]
)
def test_other_parts_are_left_alone(made: onnx.ModelProto) -> None:
    """One that is put out, or computed with, has to be there: it is refused by name."""
    check_left_alone(made)
