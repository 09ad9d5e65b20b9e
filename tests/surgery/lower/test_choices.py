from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_rewritten
from tests.surgery.models import f32, model, node, operated, ops, run


def compress(condition: Any = None, **attrs: Any) -> onnx.ModelProto:
    return model(
        [node("Compress", ["x", "c"], ["y"], **attrs)],
        ["x fp32 [3, 4]"] + (["c bool [3]"] if condition is None else []),
        ["y fp32 [a, b]" if attrs else "y fp32 [a]"],
        {} if condition is None else {"c": np.array(condition)},
    )


@pytest.mark.parametrize(
    ("condition", "attrs"),
    [
        ([False, True, True], {"axis": 0}),
        ([True, False, False, True], {"axis": -1}),
        ([False, True], {"axis": 1}),
        ([False, True, False, True, True], {}),
    ],
)
def test_what_is_chosen_is_gathered(
    tmp_path: Path, condition: list[bool], attrs: dict[str, int]
) -> None:
    check_rewritten(tmp_path, compress(condition, **attrs), x=f32(3, 4))


def test_a_condition_that_varies(tmp_path: Path) -> None:
    """TensorRT for RTX has no NonZero, so no plan is built here."""
    made, feed = compress(axis=0), {"x": f32(3, 4), "c": np.array([True, False, True])}
    result = operated(tmp_path, made, batch="keep").onnx
    assert "Compress" not in ops(result)
    np.testing.assert_array_equal(run(result, **feed)["y"], run(made, **feed)["y"])
