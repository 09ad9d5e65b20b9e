"""Buffers of every size come together in order, by whatever way."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from trtserve import joining
from trtserve.joining import join_into

SIZES = {
    "one small": [7],
    "small": [3, 0, 5, 1],
    "many of 300 kB": [300_000] * 9,
    "more than one call takes": [1100] * 2500,
    "large ones": [1_500_000, 2_000_000],
    "a large one among small": [700_000, 1_200_000, 1],
}


def parts(sizes: list[int]) -> list[bytes | memoryview]:
    random = np.random.default_rng(1)
    made = [random.bytes(size) for size in sizes]
    return [part if index % 2 else memoryview(part) for index, part in enumerate(made)]


@pytest.mark.parametrize("name", SIZES)
def test_parts_come_together_in_order(name: str) -> None:
    given = parts(SIZES[name])
    whole = np.zeros(sum(SIZES[name]), np.uint8)
    join_into(whole, given)
    assert whole.tobytes() == b"".join(given)


@pytest.mark.parametrize("name", SIZES)
def test_where_the_kernel_does_not_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining._Kernel, "call", None)
    test_parts_come_together_in_order(name)


def test_a_sandbox_that_forbids_the_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def forbidden(*_: object) -> int:
        calls.append(1)
        ctypes.set_errno(1)
        return -1

    monkeypatch.setattr(joining._Kernel, "call", forbidden)
    with caplog.at_level("INFO", "trtserve"):
        test_parts_come_together_in_order("many of 300 kB")
        test_parts_come_together_in_order("many of 300 kB")
    assert len(calls) == 1
    assert "process_vm_readv does not work here (Operation not permitted)" in caplog.text
