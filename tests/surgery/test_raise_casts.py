from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.surgery.models import Array, f32, i64, model, node, operated, ops, run
from tests.surgery.rtx import build
from trtbuild.tensor import input_override_from_text

FLOAT, HALF, BYTES, INT32 = (
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT32,
)  # fmt: skip
IMAGE = ["img uint8 [batch, 8, 8, 3]"]
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)


def permuted() -> onnx.ModelProto:
    """`permute().float()` and a convolution."""
    return model(
        [
            node("Transpose", ["img"], ["t"], perm=[0, 3, 1, 2]),
            node("Cast", ["t"], ["c"], to=FLOAT),
            node("Conv", ["c", "w"], ["y"]),
        ],
        IMAGE,
        ["y fp32 [batch, 4, 8, 8]"],
        {"w": f32(4, 3, 1, 1)},
    )


def flipped_and_padded() -> onnx.ModelProto:
    """BGR to RGB, a border of 114 and a view, as detectors begin."""
    return model(
        [
            node("Slice", ["img", "from", "to", "axis", "step"], ["rgb"]),
            node("Pad", ["rgb", "pads", "grey"], ["p"]),
            node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
            node("Cast", ["t"], ["y"], to=FLOAT),
        ],
        IMAGE,
        ["y fp32 [batch, 3, 10, 10]"],
        {
            "from": i64(-1), "to": i64(-10), "axis": i64(3), "step": i64(-1),
            "pads": i64(0, 1, 1, 0, 0, 1, 1, 0), "grey": np.array(114, np.uint8),
        },
    )  # fmt: skip


def two_types() -> onnx.ModelProto:
    return model(
        [
            node("Transpose", ["img"], ["t"], perm=[0, 3, 1, 2]),
            node("Cast", ["t"], ["y"], to=FLOAT),
            node("Cast", ["t"], ["z"], to=INT32),
        ],
        IMAGE,
        ["y fp32 [batch, 3, 8, 8]", "z int32 [batch, 3, 8, 8]"],
    )


def two_images() -> onnx.ModelProto:
    return model(
        [
            node("Concat", ["img", "img"], ["both"], axis=3),
            node("Reshape", ["both", "flat"], ["r"]),
            node("Cast", ["r"], ["y"], to=HALF),
        ],
        IMAGE,
        ["y fp16 [batch, 384]"],
        {"flat": i64(0, -1)},
    )


def bytes_out() -> onnx.ModelProto:
    return model(
        [
            node("Transpose", ["img"], ["thumb"], perm=[0, 3, 1, 2]),
            node("Cast", ["thumb"], ["y"], to=FLOAT),
        ],
        IMAGE,
        ["thumb uint8 [batch, 3, 8, 8]", "y fp32 [batch, 3, 8, 8]"],
    )


MODELS = (permuted, flipped_and_padded, two_types, two_images, bytes_out)


@pytest.mark.parametrize("made", MODELS)
def test_bytes_that_are_moved_build_and_keep_their_values(made: object, tmp_path: Path) -> None:
    proto = made()  # type: ignore[operator]
    result = operated(tmp_path, proto)
    assert [spec.dtype for spec in result.model.inputs] == ["uint8"]
    expected, got = run(proto, img=PICTURES), run(result.onnx, img=PICTURES)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)
    assert build(result.onnx.path, "SM86") == ""


def test_the_type_of_the_casts_is_used_where_they_have_one(tmp_path: Path) -> None:
    assert ops(operated(tmp_path, permuted()).onnx) == ["Cast", "Transpose", "Conv"]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("made", [permuted, two_types])
def test_an_input_of_another_type_is_cast_to_no_bytes(
    made: object, dtype: str, tmp_path: Path
) -> None:
    proto = made()  # type: ignore[operator]
    override = input_override_from_text(f"img={dtype}[batch,8,8,3]")
    result = operated(tmp_path, proto, overrides=(override,))
    wide: Array = PICTURES.astype(dtype)
    expected, got = run(proto, img=PICTURES), run(result.onnx, img=wide)
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)
    assert build(result.onnx.path, "SM86") == ""


def test_a_cast_right_behind_such_an_input(tmp_path: Path) -> None:
    proto = model([node("Cast", ["img"], ["y"], to=FLOAT)], IMAGE, ["y fp32 [batch, 8, 8, 3]"])
    override = input_override_from_text("img=int32[batch,8,8,3]")
    result = operated(tmp_path, proto, overrides=(override,))
    np.testing.assert_array_equal(run(result.onnx, img=PICTURES.astype(np.int32))["y"], PICTURES)
    assert build(result.onnx.path, "SM86") == ""


@pytest.mark.parametrize("op", ["Max", "MatMulInteger"])
def test_bytes_that_are_computed_with_stay(op: str, tmp_path: Path) -> None:
    proto = model(
        [
            node("Transpose", ["a"], ["t"], perm=[1, 0]),
            node(op, ["t", "b"], ["m"]),
            node("Cast", ["m"], ["y"], to=FLOAT),
        ],
        ["a uint8 [4, 4]", "b uint8 [4, 4]"],
        ["y fp32 [4, 4]"],
    )
    assert ops(operated(tmp_path, proto, batch="keep").onnx) == ["Transpose", op, "Cast"]
