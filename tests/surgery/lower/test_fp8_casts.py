from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node

VALUES = np.array([0, 0.1, -3.3, 447, 1e4, -1e9, 2**-9, 17], np.float32)


@pytest.mark.parametrize(("name", "dtype"), [("fp32", np.float32), ("fp16", np.float16)])
def test_there_and_back(tmp_path: Path, name: str, dtype: type[np.generic]) -> None:
    made = model(
        [node("Cast", ["x"], ["f8"], to=17), node("Cast", ["f8"], ["y"], to=1)],
        [f"x {name} [8]"],
        ["y fp32 [8]"],
        opset=19,
    )
    with np.errstate(over="ignore"):
        x = np.clip(VALUES, -60000, 60000).astype(dtype)
    check_rewritten(tmp_path, made, by_reference=True, x=x)


def test_without_saturation_it_is_left_alone() -> None:
    check_left_alone(
        model(
            [node("Cast", ["x"], ["y"], to=17, saturate=0)],
            ["x fp32 [8]"],
            ["y fp8e4m3fn [8]"],
            opset=19,
        )
    )
