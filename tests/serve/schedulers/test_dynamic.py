"""The dynamic batcher as a pure policy: requests and a clock reading in, batches out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.errors import ServeError
from trtserve.request import Call, InferRequest
from trtserve.schedulers.dynamic import DynamicScheduler, Policy, QueuePolicy, policy_from_config
from trtserve.schedulers.policy import Batch

from trtbuild.modelconfig.schema import new_config

US = 1000


def request(rows: int = 1, group: Any = (), at: int = 0, priority: int = 0, timeout_us: int = 0,
            ) -> InferRequest:  # fmt: skip
    call = Call("", (), (), rows, group, {}, priority, timeout_us, (), ())
    return InferRequest(call, [], lambda *_: None, at)


def rows(batch: Batch | None) -> list[int]:
    return [each.call.rows for each in batch.requests] if batch else []


def scheduler(**policy: Any) -> DynamicScheduler:
    return DynamicScheduler(Policy(**({"max_batch_size": 8} | policy)))


def test_what_waits_runs_at_once_and_together() -> None:
    batcher = scheduler(preferred=(8,))
    for size in (1, 2, 3):
        batcher.add(request(size), 0)
    batch = batcher.next_batch(0)
    assert rows(batch) == [1, 2, 3]
    assert batch is not None
    assert batch.rows == 6
    assert batcher.next_batch(0) is None
    assert len(batcher) == 0


def test_a_batch_never_exceeds_the_largest_size() -> None:
    batcher = scheduler()
    for size in (5, 3, 1, 8, 7, 2):
        batcher.add(request(size), 0)
    found = []
    while batch := batcher.next_batch(0):
        found.append(rows(batch))
    assert found == [[5, 3], [1], [8], [7], [2]]


def test_the_largest_preferred_size_that_can_be_made_is_taken() -> None:
    batcher = scheduler(preferred=(2, 4))
    for _ in range(7):
        batcher.add(request(), 0)
    assert [len(rows(batcher.next_batch(0))) for _ in range(3)] == [4, 2, 1]


def test_the_delay_lets_a_batch_grow_and_ends() -> None:
    batcher = scheduler(preferred=(4,), delay_us=100)
    batcher.add(request(at=0), 0)
    batcher.add(request(at=40 * US), 40 * US)
    assert batcher.next_batch(50 * US) is None
    assert batcher.deadline() == 100 * US
    assert rows(batcher.next_batch(100 * US)) == [1, 1]
    for _ in range(4):
        batcher.add(request(at=200 * US), 200 * US)
    assert rows(batcher.next_batch(200 * US)) == [1, 1, 1, 1]
    assert batcher.deadline() is None


def test_without_a_delay_an_idle_instance_runs_at_once_what_is_there() -> None:
    """Zero added delay: nothing is waited for, by no clock, whatever size is preferred."""
    batcher = scheduler(preferred=(4, 8))
    batcher.add(request(at=7), 7)
    assert rows(batcher.next_batch(7)) == [1]
    assert batcher.deadline() is None


def test_a_delay_that_is_set_holds_up_an_idle_instance_and_by_no_more() -> None:
    """Triton's GetDynamicBatch: it is counted from the oldest request of the batch."""
    batcher = scheduler(preferred=(4,), delay_us=100)
    batcher.add(request(at=10 * US), 60 * US)
    assert batcher.next_batch(60 * US) is None
    assert batcher.deadline() == 110 * US
    assert batcher.next_batch(110 * US - 1) is None
    assert rows(batcher.next_batch(110 * US)) == [1]


def test_after_the_delay_a_batch_is_all_that_fits_the_model() -> None:
    """Not the preferred size alone: what has waited long enough waits no more."""
    batcher = scheduler(preferred=(2,), delay_us=100)
    for _ in range(11):
        batcher.add(request(at=0), 0)
    assert len(rows(batcher.next_batch(99 * US))) == 2
    assert len(rows(batcher.next_batch(100 * US))) == 8
    assert len(rows(batcher.next_batch(100 * US))) == 1


def test_a_request_above_every_preferred_size_runs() -> None:
    batcher = scheduler(preferred=(2,), delay_us=100)
    batcher.add(request(7), 0)
    assert rows(batcher.next_batch(0)) == [7]


def test_a_batch_that_cannot_grow_does_not_wait() -> None:
    batcher = scheduler(delay_us=1000, preferred=(8,))
    batcher.add(request(5), 0)
    batcher.add(request(5), 0)
    assert rows(batcher.next_batch(0)) == [5]
    assert batcher.next_batch(0) is None


def test_only_requests_of_one_group_run_together() -> None:
    batcher = scheduler()
    for group in ("a", "a", "b", "a"):
        batcher.add(request(group=group), 0)
    assert [len(rows(batcher.next_batch(0))) for _ in range(3)] == [2, 1, 1]


def test_higher_priorities_first_and_the_default_for_those_that_name_none() -> None:
    batcher = scheduler(levels=3, default_level=2, preferred=(1,), max_batch_size=1)
    order = [3, 0, 1, 2]
    requests = [request(priority=level) for level in order]
    for each in requests:
        batcher.add(each, 0)
    found = []
    while batch := batcher.next_batch(0):
        found.append(batch.requests[0].call.priority)
    assert found == [1, 0, 2, 3]


def test_a_full_queue_refuses_at_once() -> None:
    batcher = scheduler(default_queue=QueuePolicy(max_size=2))
    first = request()
    batcher.add(first, 0)
    batcher.add(request(), 0)
    with pytest.raises(ServeError, match="Exceeds maximum queue size"):
        batcher.add(request(), 0)
    batcher.cancel(first)
    batcher.add(request(), 0)  # a client that left has freed its place
    assert len(batcher) == 2
    assert len(rows(batcher.next_batch(0))) == 2
    assert [each.request for each in batcher.dropped] == [first]


def test_each_level_has_a_queue_of_its_own() -> None:
    batcher = scheduler(
        levels=3, default_level=2, default_queue=QueuePolicy(max_size=1),
        queues={1: QueuePolicy(max_size=2, timeout_us=10),
                3: QueuePolicy(timeout_us=10, delay_expired=True)},
    )  # fmt: skip
    first = [request(priority=1), request(priority=1)]
    unnamed, last = request(), request(priority=3)
    for each in (last, unnamed, *first):
        batcher.add(each, 0)
    for level in (1, 2, 0):
        with pytest.raises(ServeError, match="Exceeds maximum queue size"):
            batcher.add(request(priority=level), 0)
    batcher.add(request(priority=3), 0)  # no limit there
    batch = batcher.next_batch(10 * US)
    assert batch is not None
    # Level 1 was refused by its timeout, level 2 has none, level 3 runs late.
    assert batch.requests[:2] == [unnamed, last]
    assert [each.request for each in batcher.dropped] == first


def test_refusals_do_not_pile_up_in_memory() -> None:
    """An error raised twice holds the frames, and so the requests, of both times."""
    batcher = scheduler(default_queue=QueuePolicy(max_size=1, timeout_us=10))
    batcher.add(request(), 0)
    errors = []
    for _ in range(2):
        with pytest.raises(ServeError) as caught:
            batcher.add(request(), 0)
        errors.append(caught.value)
    batcher.settle(10 * US)
    batcher.add(request(), 20 * US)
    batcher.settle(30 * US)
    errors += [each.error for each in batcher.dropped]
    assert len(set(map(id, errors))) == 4


@pytest.mark.parametrize("delay", [False, True])
def test_expired_requests_are_refused_or_run_last(delay: bool) -> None:
    batcher = scheduler(
        preferred=(1,), max_batch_size=1,
        default_queue=QueuePolicy(timeout_us=10, delay_expired=delay, allow_override=True),
    )  # fmt: skip
    early, late, soon = request(), request(), request(timeout_us=2)
    batcher.add(early, 0)
    batcher.add(soon, 0)
    batcher.add(late, 5 * US)
    assert batcher.deadline() == 2 * US
    order = []
    while batch := batcher.next_batch(12 * US):
        order += batch.requests
    dropped = [each.request for each in batcher.dropped]
    assert (order, dropped) == (([late, early, soon], []) if delay else ([late], [early, soon]))
    assert all("timeout expired" in each.error.message for each in batcher.dropped)


def test_an_override_can_only_shorten_and_only_where_it_may() -> None:
    for allowed, asked, expected in ((True, 5, 5), (True, 50, 10), (False, 5, 10)):
        policy = QueuePolicy(timeout_us=10, allow_override=allowed)
        batcher = scheduler(default_queue=policy)
        batcher.add(request(timeout_us=asked), 0)
        assert batcher.deadline() == expected * US


def test_without_a_timeout_there_is_nothing_to_shorten() -> None:
    """As in Triton: an override counts where it is below the default, and 0 is below all."""
    batcher = scheduler(default_queue=QueuePolicy(allow_override=True))
    batcher.add(request(timeout_us=5), 0)
    assert batcher.deadline() is None


def test_models_that_do_not_batch_keep_limits_priorities_and_timeouts() -> None:
    batcher = scheduler(
        max_batch_size=0, levels=2, default_level=2, delay_us=100,
        default_queue=QueuePolicy(max_size=2, timeout_us=10),
    )  # fmt: skip
    low, high = request(group=None), request(group=None, priority=1)
    batcher.add(low, 0)
    batcher.add(high, 0)
    batcher.add(request(group=None), 0)
    with pytest.raises(ServeError, match="Exceeds maximum queue size"):
        batcher.add(request(group=None), 0)
    found = [batcher.next_batch(0), batcher.next_batch(0), batcher.next_batch(10 * US)]
    assert [each.requests if each else None for each in found] == [[high], [low], None]
    assert len(batcher.dropped) == 1


def test_expiry_is_seen_while_every_instance_is_busy() -> None:
    batcher = scheduler(default_queue=QueuePolicy(timeout_us=10))
    batcher.add(request(), 0)
    batcher.settle(11 * US)
    assert len(batcher) == 0
    assert len(batcher.dropped) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "next", "cancel"]), st.integers(1, 8),
                  st.integers(0, 3), st.integers(0, 30)), max_size=60,
    ),
    st.sampled_from([(), (4,), (2, 6)]), st.sampled_from([0, 20]), st.booleans(),
)  # fmt: skip
def test_every_request_comes_out_exactly_once(
    steps: list[tuple[str, int, int, int]], preferred: tuple[int, ...], delay: int, reject: bool
) -> None:
    batcher = scheduler(
        preferred=preferred, delay_us=delay, levels=3, default_level=1,
        default_queue=QueuePolicy(timeout_us=25, delay_expired=not reject),
    )  # fmt: skip
    now = 0
    added: list[InferRequest] = []
    out: list[InferRequest] = []
    for step, size, level, wait in steps:
        now += wait * US
        if step == "add":
            added.append(request(size, group=size % 2, at=now, priority=level))
            batcher.add(added[-1], now)
        elif step == "cancel" and added:
            victim = added[size % len(added)]
            if victim not in out:
                batcher.cancel(victim)
        elif batch := batcher.next_batch(now):
            assert batch.rows == sum(rows(batch)) <= 8
            assert len({each.call.group for each in batch.requests}) == 1
            out += batch.requests
        out += [each.request for each in batcher.dropped]
        batcher.dropped.clear()
    for _ in range(len(added) + 2):
        now += 1000 * US
        batch = batcher.next_batch(now)
        out += batch.requests if batch else []
        out += [each.request for each in batcher.dropped]
        batcher.dropped.clear()
    assert sorted(map(id, out)) == sorted(map(id, added))
    assert len(batcher) == 0


def test_the_policy_a_config_states() -> None:
    config = new_config(
        max_batch_size=8,
        dynamic_batching={
            "preferred_batch_size": [4, 2], "max_queue_delay_microseconds": 7,
            "priority_levels": 2, "default_priority_level": 2,
            "default_queue_policy": {"max_queue_size": 3},
            "priority_queue_policy": {
                1: {"timeout_action": "DELAY", "default_timeout_microseconds": 9}
            },
        },
    )  # fmt: skip
    assert policy_from_config(config) == Policy(
        8, (2, 4), 7, 2, 2, QueuePolicy(max_size=3), {1: QueuePolicy(0, 9, True)}
    )


def alike(batcher: DynamicScheduler, sizes: list[int], *, shared: bool) -> list[list[int]]:
    """The batches of requests of these rows; shared: those of a size make one call."""
    calls: dict[int, Call] = {}
    for size in sizes:
        each = request(size)
        if shared:
            each.call = calls.setdefault(size, each.call)
        batcher.add(each, 0)
    found = []
    while batch := batcher.next_batch(0):
        assert batch.rows == sum(rows(batch))
        assert batch.call is None or all(each.call is batch.call for each in batch.requests)
        found.append(rows(batch))
    assert not len(batcher)
    return found


@given(
    st.lists(st.integers(1, 3), max_size=30) | st.integers(1, 4).map(lambda rows: [rows] * 20),
    st.sets(st.integers(1, 8), max_size=3),
)
def test_requests_of_one_call_are_batched_as_any_others(
    sizes: list[int], preferred: set[int]
) -> None:
    policy = {"preferred": tuple(sorted(preferred))}
    assert alike(scheduler(**policy), sizes, shared=True) == alike(
        scheduler(**policy), sizes, shared=False
    )


def test_a_batch_of_one_call_says_so() -> None:
    batcher = scheduler()
    first = request()
    for _ in range(3):
        again = request()
        again.call = first.call
        batcher.add(again, 0)
    batch = batcher.next_batch(0)
    assert batch is not None
    assert (len(batch.requests), batch.call) == (3, first.call)
