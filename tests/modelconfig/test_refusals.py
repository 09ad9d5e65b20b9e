"""What core refuses; whether Triton says the same is asked by tests/validate and tests/serve."""

from __future__ import annotations

from typing import Any

import pytest

from trtbuild.modelconfig.refusals import refusal, reshape_problem
from trtbuild.modelconfig.schema import new_config

TENSOR: dict[str, Any] = {"name": "x", "data_type": 11, "dims": [4]}


def test_a_good_config_is_not_refused() -> None:
    config = new_config(
        name="m",
        max_batch_size=8,
        input=[TENSOR | {"dims": [1], "reshape": {"shape": []}}],
        output=[TENSOR | {"dims": [2, -1], "reshape": {"shape": [2, 1, -1]}}],
        dynamic_batching={
            "preferred_batch_size": [1, 8],
            "priority_levels": 2,
            "default_priority_level": 2,
            "priority_queue_policy": {1: {}},
        },
    )
    assert refusal(config) == ""
    assert refusal(new_config()) == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_batch_size": -1}, "'max_batch_size' must be non-negative value in m"),
        ({"input": [TENSOR | {"name": ""}]}, "model input must specify 'name'"),
        ({"output": [TENSOR | {"data_type": 0}]}, "model output 'x' must specify 'data_type'"),
        ({"input": [TENSOR | {"dims": []}]}, "model input 'x' must specify 'dims'"),
        ({"input": [TENSOR | {"dims": [0]}]}, "dimension must be integer >= 1"),
        ({"input": [TENSOR | {"dims": [-2]}]}, "dimension must be integer >= 1"),
        ({"input": [TENSOR | {"format": 1}]}, "NHWC/NCHW require 3 dims"),
        ({"input": [TENSOR | {"reshape": {}}]}, "empty reshape for non-batching"),
        ({"input": [TENSOR | {"reshape": {"shape": [0]}}]}, "reshape dimensions must be"),
        ({"input": [TENSOR | {"reshape": {"shape": [5]}}]}, "different size for dims and reshape"),
        ({"dynamic_batching": {"preferred_batch_size": [1]}}, "must be positive and <= max batch"),
        ({"dynamic_batching": {"priority_levels": 2}}, "must be in range [1, 2]"),
        (
            {
                "dynamic_batching": {
                    "priority_levels": 1,
                    "default_priority_level": 1,
                    "priority_queue_policy": {2: {}},
                }
            },
            "priority queue policy must have level",
        ),
        (
            {
                "dynamic_batching": {
                    "priority_levels": 2,
                    "default_priority_level": 1,
                    "preserve_ordering": True,
                }
            },
            "only one priority level",
        ),
        (
            {
                "dynamic_batching": {
                    "preserve_ordering": True,
                    "default_queue_policy": {
                        "timeout_action": 1,
                        "default_timeout_microseconds": 5,
                    },
                }
            },
            "can not have DELAY",
        ),
    ],
)
def test_refused(fields: dict[str, Any], message: str) -> None:
    assert message in refusal(new_config(name="m", **fields))


@pytest.mark.parametrize(
    ("dims", "shape", "problem"),
    [
        ([2, 4, -1, 6], [8, -1, 1, 6], ""),
        ([1], [], ""),
        ([2, 3], [6], ""),
        ([2, 3], [5], "different numbers of elements"),
        ([2, -1, 3], [3, -1, 2], "different numbers of elements"),
        ([-1], [-1, -1], "different numbers of varying dims"),
        ([-1], [], "different numbers of elements"),
        ([0], [], "different numbers of elements"),
    ],
)
def test_reshapes(dims: list[int], shape: list[int], problem: str) -> None:
    assert reshape_problem(dims, shape) == problem
