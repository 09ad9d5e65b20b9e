from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone
from tests.surgery.models import Array, f32, i64, model, node, note, operated, ops, run

LIMITS = {"most": i64(3), "overlap": np.array([0.5], "f4"), "score": np.array([0.1], "f4")}


def boxes_of(pictures: int, count: int) -> Array:
    corners = np.random.default_rng(3).uniform(0, 1, (pictures, count, 2))
    return np.concatenate([corners, corners + 0.3], axis=2).astype(np.float32)


def suppress(pictures: int | str, classes: int | str, count: int = 12) -> onnx.ModelProto:
    return model(
        [node("NonMaxSuppression", ["boxes", "scores", *LIMITS], ["y"])],
        [f"boxes fp32 [{pictures}, {count}, 4]", f"scores fp32 [{pictures}, {classes}, {count}]"],
        ["y int64 [n, 3]"],
        LIMITS,
    )


@pytest.mark.parametrize(("pictures", "classes"), [(1, 2), (2, 3)])
def test_every_class_alone(tmp_path: Path, pictures: int, classes: int) -> None:
    """TensorRT for RTX has no layer for it at all, so no plan is built here."""
    made = suppress(pictures, classes)
    feed = {
        "boxes": boxes_of(pictures, 12),
        "scores": np.abs(f32(pictures, classes, 12)),
    }
    result = operated(tmp_path, made, batch="keep")
    assert note(result, "lower_ops").changed
    assert ops(result.onnx).count("NonMaxSuppression") == pictures * classes
    np.testing.assert_array_equal(run(result.onnx, **feed)["y"], run(made, **feed)["y"])


@pytest.mark.parametrize(("pictures", "classes"), [("n", 1), (4, 1), ("n", 2), (1, 80), (1, "c")])
def test_one_class_or_too_many_are_left_alone(pictures: int | str, classes: int | str) -> None:
    check_left_alone(suppress(pictures, classes))
