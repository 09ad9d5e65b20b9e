"""Who goes on too slowly: seconds are given, nothing waits."""

from __future__ import annotations

from trtserve.protocols.pace import Pace


def stalls(*looks: tuple[object, int], timeout_s: float = 60.0) -> int | None:
    """The second at which a look, one a second, finds a stall."""
    pace = Pace()
    for second, (what, moved) in enumerate(looks):
        if pace.stalled(what, moved, float(second), timeout_s):
            return second
    return None


def test_nothing_begun_never_stalls() -> None:
    assert stalls(*[(None, 0)] * 1000) is None


def test_a_byte_a_second_is_a_stall() -> None:
    assert stalls(*[("request", second) for second in range(1000)]) == 61


def test_a_kilobyte_a_second_is_not() -> None:
    assert stalls(*[("request", second * 1024) for second in range(1000)]) is None


def test_every_new_thing_has_the_whole_time() -> None:
    assert stalls(*[(second // 50, 7) for second in range(1000)]) is None


def test_a_rest_ends_the_count() -> None:
    assert stalls(*[(None if second % 50 == 0 else "it", 7) for second in range(1000)]) is None


def test_reading_counts_like_sending() -> None:
    assert stalls(*[("answer", -(10**9) + second) for second in range(1000)]) == 61
    assert stalls(*[("answer", -(10**9) + second * 1024) for second in range(1000)]) is None


def test_more_to_read_is_no_progress() -> None:
    assert stalls(*[("answer", -second * 100_000) for second in range(1000)]) == 61
