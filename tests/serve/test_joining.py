"""Buffers of every size come together in order, by whatever way."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve import joining
from trtserve.joining import join_into
from trtserve.request import Buffer

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
    some = parts(SIZES[name])
    whole = np.zeros(sum(SIZES[name]), np.uint8)
    join_into(whole, some)
    assert whole.tobytes() == b"".join(some)


@pytest.mark.parametrize("name", SIZES)
def test_where_the_kernel_does_not_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining._Kernel, "call", None)
    test_parts_come_together_in_order(name)


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("name", SIZES)
def test_several_threads_copy(name: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    copied_by = set()
    copy = joining._copy

    def noted(address: int, some: Sequence[Buffer]) -> bool:
        copied_by.add(threading.current_thread())
        return copy(address, some)

    monkeypatch.setattr(joining, "_copy", noted)
    monkeypatch.setattr(joining, "_THREADS", threads)
    monkeypatch.setattr(joining, "_SHARE_BYTES", 1 << 19)
    test_parts_come_together_in_order(name)
    several = sum(SIZES[name]) >= joining._SMALL_BYTES and len(SIZES[name]) > 1
    assert (len(copied_by) > 1) == several


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2000), min_size=1, max_size=40), st.integers(1, 6))
def test_shares_are_all_parts_in_order(sizes: list[int], threads: int) -> None:
    whole = np.zeros(sum(sizes), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_THREADS", threads)
        patch.setattr(joining, "_SHARE_BYTES", 100)
        shares = joining._shares(whole, parts(sizes))
    at = whole.ctypes.data
    assert b"".join(part for _, some in shares for part in some) == b"".join(parts(sizes))
    assert len(shares) <= threads
    for address, some in shares:
        assert address == at
        at += sum(map(len, some))


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
