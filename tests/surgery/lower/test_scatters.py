from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import Array, f32, model, node

REDUCTIONS = ["add", "mul", "max", "min"]


def scatter(
    op: str, data: tuple[Any, ...], indices: Array, updates: tuple[int, ...], **attrs: Any
) -> onnx.ModelProto:
    def dims(sizes: tuple[Any, ...]) -> str:
        return ", ".join(map(str, sizes))

    return model(
        [node(op, ["x", "i", "u"], ["y"], **attrs)],
        [f"x fp32 [{dims(data)}]", f"u fp32 [{dims(updates)}]"],
        [f"y fp32 [{dims(data)}]"],
        {"i": indices},
        opset=18,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("depth", [1, 2])
def test_rows_and_values(tmp_path: Path, reduction: str, depth: int) -> None:
    """Some twice, some counted from the end."""
    indices = np.array([[0, 1], [3, 2], [0, 1], [-1, -1]])[:, :depth]
    shape = (4, 5, 3)[depth:]
    made = scatter("ScatterND", (4, 5, 3), indices, (4, *shape), reduction=reduction)
    x = f32(4, 5, 3)
    x[1] = [-np.inf, np.inf, 0]
    check_rewritten(tmp_path, made, x=x, u=f32(4, *shape, seed=1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements(tmp_path: Path, reduction: str, axis: int) -> None:
    indices = np.array([[[0, 1], [2, 0]], [[0, 1], [-1, 0]]])
    made = scatter("ScatterElements", (3, 3, 3), indices, (2, 2, 2), axis=axis, reduction=reduction)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(3, 3, 3), u=f32(2, 2, 2, seed=1))


@pytest.mark.parametrize(
    "made",
    [
        scatter("ScatterND", (4, 5), np.array([[0]]), (1, 5)),
        scatter("ScatterND", ("n", 5), np.array([[0]]), (1, 5), reduction="add"),
        scatter("ScatterND", (4000, 50), np.zeros((90, 1), int), (90, 50), reduction="add"),
    ],
)
def test_plain_ones_and_large_ones_are_left_alone(made: onnx.ModelProto) -> None:
    check_left_alone(made)
