from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import model, node

VALUES = np.array([0, 0.125, -3.25, 448, -448, 2**-9, 17, np.nan], ml_dtypes.float8_e4m3fn)


@pytest.mark.parametrize(("name", "number"), [("fp32", 1), ("fp16", 10)])
def test_from_fp8(tmp_path: Path, name: str, number: int) -> None:
    made = model(
        [node("Cast", ["x"], ["y"], to=number)], ["x fp8e4m3fn [8]"], [f"y {name} [8]"], opset=19
    )
    check_rewritten(tmp_path, made, by_reference=True, x=VALUES)


def test_to_fp8_is_left_to_the_parser_which_refuses_it() -> None:
    """TensorRT 10.6 quantizes NaN to 448: no Cast."""
    check_left_alone(
        model([node("Cast", ["x"], ["y"], to=17)], ["x fp32 [8]"], ["y fp8e4m3fn [8]"], opset=19)
    )
