"""Batch sizes that change seldom where that is dear, and freely where it is not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.backends.onnxruntime.sizes import BatchSizes

ROW_S, BASE_S = 1e-4, 1e-3


def took(size: int) -> float:
    return BASE_S + ROW_S * size


def run(batches: list[int], change_s: float, largest: int = 128) -> tuple[list[int], float]:
    """(size of each run, seconds in all) on a machine where a change of size takes `change_s`."""
    sizes, last, total, chosen = BatchSizes(largest), 0, 0.0, []
    for rows in batches:
        size = sizes.choose(rows)
        assert rows <= size <= largest
        seconds = took(size) + (change_s if size != last else 0)
        sizes.ran(size, seconds)
        total += seconds
        last = size
        chosen.append(size)
    return chosen, total


def changes(sizes: list[int]) -> int:
    return sum(a != b for a, b in itertools.pairwise(sizes))


def test_where_changes_cost_nothing_batches_run_as_they_are() -> None:
    batches = [64, 64, 32, 7, 7, 7, 100, 99, 99, 1, 128, 5, 5]
    # One run at the size of the last tells that a change is free: hence 7 at 32, 99 at 100.
    expected = [64, 64, 32, 32, 7, 7, 100, 100, 99, 99, 128, 128, 5]
    assert run(batches, 0.0)[0] == expected


def test_a_load_that_goes_up_and_down_settles_at_one_size() -> None:
    random = np.random.default_rng(0)
    batches = random.integers(90, 129, 500).tolist()
    sizes, total = run(batches, 0.1)
    assert changes(sizes) <= 4
    assert total < 1.3 * sum(map(took, batches)) + 4 * 0.1
    assert sum(map(took, batches)) + 0.1 * changes(batches) > 7 * total


def test_a_load_that_rises_has_few_sizes() -> None:
    sizes, _ = run([rows for rows in range(1, 129) for _ in range(2)], 0.1)
    assert changes(sizes) <= 10


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_load_that_has_become_small_gets_its_own_size(rows: int) -> None:
    sizes, total = run([128, 128, 128] + [rows] * 300, 0.1)
    assert sizes[-1] == rows
    assert changes(sizes) == 1
    # Filling up took no longer than two changes; there were two, the first batch's and this.
    assert total < 300 * took(rows) + 3 * took(128) + 5 * 0.1


def test_one_large_batch_now_and_then_does_not_shrink_and_grow() -> None:
    batches = [128, 128, *([120] * 9 + [128]) * 30]
    sizes, _ = run(batches, 0.1)
    assert set(sizes) == {128}


@given(st.lists(st.integers(1, 128), min_size=1, max_size=200), st.sampled_from([0.01, 0.1, 0.7]))
@settings(max_examples=100)
def test_never_much_worse_than_either_extreme(batches: list[int], change_s: float) -> None:
    _, total = run(batches, change_s)
    always = sum(map(took, batches)) + change_s * (1 + changes(batches))
    never = change_s + len(batches) * took(128)
    # Some changes on the way up, and three times what the better extreme takes.
    assert total <= 3 * min(always, never) + 10 * change_s
