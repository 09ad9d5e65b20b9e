from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node, operated
from trtbuild.plan.wrong_forms import wrong_forms


def test_depth_to_space(tmp_path: Path) -> None:
    made = model(
        [node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD")],
        ["x fp32 [n, 12, 3, 5]"],
        ["y fp32 [n, 3, 6, 10]"],
    )
    check_rewritten(tmp_path, made, x=f32(2, 12, 3, 5))


def test_space_to_depth(tmp_path: Path) -> None:
    made = model(
        [node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode="CRD")],
        ["x fp32 [2, 3, 4, 6]"],
        ["y fp32 [2, 12, 2, 3]"],
        opset=28,
    )
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 3, 4, 6))


def test_space_to_depth_of_pictures_of_any_size(tmp_path: Path) -> None:
    made = model(
        [node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode="CRD")],
        ["x fp32 [n, 3, h, w]"],
        ["y fp32 [n, 12, a, b]"],
        opset=28,
    )
    result = onnx.load(operated(tmp_path, made, batch="keep").onnx.path)
    x = f32(2, 3, 4, 6)
    (wanted,), (got,) = (
        onnx.reference.ReferenceEvaluator(one).run(None, {"x": x}) for one in (made, result)
    )
    np.testing.assert_array_equal(got, wanted)
    assert wrong_forms(result) == []
    assert wrong_forms(made) != []


@pytest.mark.parametrize(("op", "size"), [("DepthToSpace", "4, 2, 2"), ("SpaceToDepth", "1, 4, 4")])
def test_the_other_order_is_left_alone(op: str, size: str) -> None:
    out = {"DepthToSpace": "1, 4, 4", "SpaceToDepth": "4, 2, 2"}[op]
    check_left_alone(
        model(
            [node(op, ["x"], ["y"], blocksize=2)], [f"x fp32 [n, {size}]"], [f"y fp32 [n, {out}]"]
        )
    )
