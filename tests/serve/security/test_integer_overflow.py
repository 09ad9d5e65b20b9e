"""Shapes and sizes whose product does not fit into 64 bits (CVE-2026-24173)."""

from __future__ import annotations

import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, goes_on, inputs

pytestmark = pytest.mark.usefixtures("no_traceback")
# The model takes [-1, -1] FP32: whatever has two dims reaches the arithmetic.
SHAPES = [
    [2**31, 2**31], [2**32, 2**32], [2**62, 2], [2**62, 4], [2**63 - 1, 1], [2**63 - 1, 2**63 - 1],
    [2**61, 1], [4, 2**62 + 4], [-1, -1], [-(2**63), 2], [-4, -4], [2**60, 16],
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_that_overflow(served: Running, shape: list[int]) -> None:
    for data in ([1.0] * 16, []):
        answer = asked(served, inputs(shape=shape, data=data), model="any")
        assert (answer.status, "'INPUT0'" in answer.error) == (400, True)
    for raw in (b"", bytes(64)):
        request = message("ModelInferRequest")(model_name="any")
        request.inputs.add(name="INPUT0", datatype="FP32", shape=shape)
        request.raw_input_contents.append(raw)
        code, text = called(served, request)
        assert (code, "'INPUT0'" in text) == (3, True)
    goes_on(served)


def test_dims_beside_a_zero_are_multiplied_too(served: Running) -> None:
    """0 x 2^63-1 elements are no bytes, but libraries compute strides of them."""
    answer = asked(served, inputs(shape=[0, 2**63 - 1], data=[]), model="any")
    assert (answer.status, "'INPUT0'" in answer.error) == (400, True)
    assert asked(served, inputs(shape=[0, 7], data=[]), model="any").status == 200


def test_ten_thousand_dims_are_not_multiplied(served: Running) -> None:
    """Their product would take minutes: their number is looked at first."""
    answer = asked(served, inputs(shape=[2**63 - 1] * 200_000, data=[]), model="any")
    assert (answer.status, "'INPUT0'" in answer.error) == (400, True)


@pytest.mark.parametrize("size", [2**31, 2**32 + 64, 2**63 - 1, 2**64 - 1, 2**64, -64])
def test_binary_sizes_that_wrap(served: Running, size: int) -> None:
    changed = inputs(data=None, parameters={"binary_data_size": size})
    answer = asked(served, changed)
    assert (answer.status, "INPUT0" in answer.error or "binary_data_size" in answer.error) == (
        400, True,
    )  # fmt: skip
