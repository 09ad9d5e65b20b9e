"""Staying awake: what it is learned from, when it ends, and where it is left alone."""

from __future__ import annotations

import asyncio

import pytest
from trtserve import polling
from trtserve.polling import WINDOW_NS, AwakeLoop, Habit

SOON, LATE = WINDOW_NS // 2, 10 * WINDOW_NS


def go_through(habit: Habit, *gaps_ns: int) -> list[bool]:
    """Whether it was worth staying awake before each of the gaps."""
    now, found = 1, []
    for gap in gaps_ns:
        found.append(habit.begins(now))
        now += gap
        habit.came(now)
        now += 1
    return found


def test_nobody_stays_awake_before_it_has_been_seen_to_pay() -> None:
    assert go_through(Habit(), LATE, LATE, LATE) == [False] * 3
    assert go_through(Habit(), SOON, SOON, SOON) == [False, True, True]


def test_a_sleeper_is_late_himself() -> None:
    between = WINDOW_NS + 1
    assert go_through(Habit(), between, SOON, SOON) == [False, True, True]


def test_what_does_not_pay_ends_and_is_not_soon_tried_again() -> None:
    habit = Habit()
    assert go_through(habit, *[SOON] * 20)[1:] == [True] * 19
    assert go_through(habit, *[LATE] * 12) == [True] * 8 + [False] * 4
    assert go_through(habit, *[SOON] * 66) == [False] * 65 + [True]


def test_pauses_now_and_then_do_not_end_it() -> None:
    habit = Habit()
    found = go_through(habit, *[SOON, SOON, SOON, LATE] * 20)
    assert found[1:] == [True] * 79


def test_a_wait_that_is_given_up_is_learned_from_too() -> None:
    habit = Habit()
    go_through(habit, SOON)
    assert habit.begins(1_000_000_000)
    assert not habit.begins(1_000_000_000 + LATE)  # and what was waited for never came


async def _turns(monkeypatch: pytest.MonkeyPatch, count: float) -> int:
    """How often the loop turns while the clock shows the window."""
    clock, turns = [0], 0
    monkeypatch.setattr(polling, "processors", lambda: count)
    monkeypatch.setattr("trtserve.polling.time.monotonic_ns", lambda: clock[0])

    def give_way() -> None:
        nonlocal turns
        turns += 1
        clock[0] += WINDOW_NS // 10

    monkeypatch.setattr(polling, "give_way", give_way)
    awake = AwakeLoop(asyncio.get_running_loop())
    awake.stay(0)
    awake.stay(0)  # twice is no more than once
    for _ in range(100):
        await asyncio.sleep(0)
    return turns


def test_the_loop_sleeps_when_the_window_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(_turns(monkeypatch, 2)) == 10


def test_where_there_is_one_processor_it_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(_turns(monkeypatch, 1.5)) == 0
