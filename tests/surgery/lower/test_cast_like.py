from pathlib import Path

import numpy as np

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node, ops


def test_it_is_a_cast(tmp_path: Path) -> None:
    made = model(
        [node("CastLike", ["x", "like"], ["y"])],
        ["x fp32 [3, 4]"],
        ["y fp16 [3, 4]"],
        {"like": np.zeros(1, np.float16)},
    )
    assert ops(check_rewritten(tmp_path, made, x=f32(3, 4))) == ["Cast"]


def test_a_cast_is_left_alone() -> None:
    check_left_alone(
        model([node("Cast", ["x"], ["y"], to=10)], ["x fp32 [3, 4]"], ["y fp16 [3, 4]"])
    )
