from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import Array, f32, model, node


def deformed(
    picture: str = "n, 4, 5, 6",
    groups: int = 1,
    *,
    mask: bool = False,
    bias: bool = False,
    out: tuple[int, int] = (4, 5),
    kernel: tuple[int, int] = (2, 2),
    **attrs: Any,
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """y of x, offsets and a mask; the values of the latter."""
    taps = kernel[0] * kernel[1]
    sizes = {"offset": groups * taps * 2, "mask": groups * taps}
    given = {"offset": f32(2, sizes["offset"], *out, seed=1, scale=1.5)}
    if mask:
        given["mask"] = np.abs(f32(2, sizes["mask"], *out, seed=2))
    constants = {"w": f32(6, 4 // attrs.get("group", 1), *kernel, seed=3)}
    if bias:
        constants["b"] = f32(6, seed=4)
    inputs = ["x", "w", "offset", "b" if bias else "", "mask" if mask else ""]
    attrs |= {"offset_group": groups, "kernel_shape": kernel}
    made = model(
        [node("DeformConv", inputs, ["y"], **attrs)],
        [f"x fp32 [{picture}]"]
        + [f"{name} fp32 [n, {sizes[name]}, {out[0]}, {out[1]}]" for name in given],
        ["y fp32 [n, 6, h, w]"],
        constants,
        opset=19,
    )
    return made, given


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"mask": True, "bias": True},
        {"groups": 2, "mask": True},
        {"group": 2, "groups": 4},
        {"pads": [1, 0, 1, 1], "strides": [2, 1], "dilations": [1, 2], "out": (3, 5)},
        {"kernel": (3, 1), "out": (3, 6)},
    ],
)
def test_what_is_sampled(tmp_path: Path, form: dict[str, Any]) -> None:
    """Also beyond the picture, which counts as 0."""
    made, given = deformed(**form)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 4, 5, 6), **given)


def test_a_size_that_varies_is_left_alone() -> None:
    check_left_alone(deformed("n, 4, h, 6")[0])
