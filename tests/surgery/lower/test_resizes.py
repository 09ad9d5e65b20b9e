from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, i64, model, node

NONE = np.zeros(0, np.float32)
SYMMETRIC = {"coordinate_transformation_mode": "half_pixel_symmetric"}
CROP = {"coordinate_transformation_mode": "tf_crop_and_resize"}


def resize(
    shape: str = "n, 2, 7, 5", scales: Any = NONE, sizes: Any = None, roi: Any = NONE, **attrs: Any
) -> onnx.ModelProto:
    """y: x resized along its last two axes, by constants."""
    names = ["roi", "scales"] + ([] if sizes is None else ["sizes"])
    constants = {"roi": np.array(roi, "f4"), "scales": np.array(scales, "f4")}
    if sizes is not None:
        constants["sizes"] = i64(*sizes)
    return model(
        [node("Resize", ["x", *names], ["y"], **{"axes": [2, 3], **attrs})],
        [f"x fp32 [{shape}]"],
        ["y fp32 [n, 2, h, w]"],
        constants,
        opset=18,
    )


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [[0.6, 2.3], [1.0, 0.4], [3.0, 1.9]])
def test_half_pixel_symmetric(tmp_path: Path, mode: str, scales: list[float]) -> None:
    made = resize(scales=scales, mode=mode, **SYMMETRIC)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest(tmp_path: Path, nearest: str) -> None:
    made = resize(scales=[0.6, 1.7], mode="nearest", nearest_mode=nearest, **SYMMETRIC)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "asymmetric", "pytorch_half_pixel", "align_corners"]
)
def test_antialias(tmp_path: Path, mode: str, coordinates: str) -> None:
    made = resize(sizes=[3, 8], mode=mode, antialias=1, coordinate_transformation_mode=coordinates)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


def test_what_lies_outside_does_not_count(tmp_path: Path) -> None:
    made = resize(sizes=[4, 9], mode="cubic", antialias=1, exclude_outside=1, cubic_coeff_a=-0.5)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_kept_aspect_ratio(tmp_path: Path, policy: str, mode: str) -> None:
    made = resize(sizes=[9, 8], mode=mode, keep_aspect_ratio_policy=policy)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


@pytest.mark.parametrize("roi", [[0.1, 0.2, 0.8, 0.9], [-0.2, 0.3, 0.7, 1.4]])
def test_crop_and_resize(tmp_path: Path, roi: list[float]) -> None:
    made = resize(sizes=[4, 6], roi=roi, mode="linear", extrapolation_value=9.0, **CROP)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 7, 5))


@pytest.mark.parametrize(
    "made",
    [
        resize(sizes=[4, 6], mode="linear"),
        resize("n, 2, h, 5", sizes=[4, 6], mode="linear", antialias=1),
    ],
)
def test_other_forms_and_unknown_sizes_are_left_alone(made: onnx.ModelProto) -> None:
    check_left_alone(made)
