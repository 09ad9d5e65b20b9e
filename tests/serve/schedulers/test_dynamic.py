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
    call = Call("", (), (), rows, group, {}, priority, timeout_us, ())
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
