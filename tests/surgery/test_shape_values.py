from typing import Any

import numpy as np
import pytest

from tests.surgery.models import i64, job, model, node
from trtbuild.surgery.shape_values import shape_values

W = {"zero": i64(0), "one": i64(1), "two": i64(2), "i": np.array(1), "big": i64(9)}


def values(*nodes: object, weights: dict[str, object] | None = None) -> dict[str, object]:
    """What is known after `nodes`, which read x [n, 3, 224, 224]; the last makes v."""
    made = model(
        [*nodes, node("Relu", ["x"], ["y"])],  # type: ignore[list-item] # nodes
        ["x fp32 [n, 3, 224, 224]"],
        ["y fp32 [n, 3, 224, 224]"],
        {**W, **(weights or {})},
    )
    return {name: value.tolist() for name, value in shape_values(job(made).graph).items()}


def test_a_shape_with_a_dim_that_varies_is_not_known() -> None:
    assert values(node("Shape", ["x"], ["v"])) == {}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(1, None, [3, 224, 224]), (1, 3, [3, 224]), (-2, None, [224, 224]), (-3, -1, [3, 224])],
)
def test_start_and_end_of_shape_are_heeded(
    start: int, end: int | None, expected: list[int]
) -> None:
    """onnx-graphsurgeon 0.6.1 folds such a node to the whole shape."""
    limits: dict[str, Any] = {"start": start} | ({} if end is None else {"end": end})
    assert values(node("Shape", ["x"], ["v"], **limits)) == {"v": expected}


def test_a_static_dim_is_picked_from_a_shape_that_varies() -> None:
    shape = node("Shape", ["x"], ["s"])
    assert values(shape, node("Gather", ["s", "i"], ["v"])) == {"v": 3}
    assert values(shape, node("Gather", ["s", "two"], ["v"])) == {"v": [224]}
    assert values(shape, node("Gather", ["s", "zero"], ["v"])) == {}
    assert values(shape, node("Gather", ["s", "big"], ["v"])) == {}


def test_what_is_made_of_static_dims_is_known() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Slice", ["s", "one", "two", "zero"], ["channels"]),
        node("Gather", ["s", "i"], ["scalar"]),
        node("Unsqueeze", ["scalar", "zero"], ["again"]),
        node("Squeeze", ["again"], ["back"]),
        node("Cast", ["channels"], ["cast"], to=7),
        node("Concat", ["channels", "two", "again"], ["v"], axis=0),
    ]
    assert values(*nodes) == {
        "channels": [3],
        "scalar": 3,
        "again": [3],
        "back": 3,
        "cast": [3],
        "v": [3, 2, 3],
    }


def test_casts_to_floats_are_left_to_onnx_runtime() -> None:
    nodes = [node("Shape", ["x"], ["s"], start=1), node("Cast", ["s"], ["v"], to=1)]
    assert values(*nodes) == {"s": [3, 224, 224]}
