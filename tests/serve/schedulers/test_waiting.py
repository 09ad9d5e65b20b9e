"""Queues that anything can be taken out of, and the deadlines of what waits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.request import Call, InferRequest
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.dynamic import DynamicScheduler, Policy, QueuePolicy
from trtserve.schedulers.waiting import Deadlines, Queue

from tests.serve.schedulers.test_dynamic import US, request

MANY = 2000


class Data(bytearray):
    """A tensor's bytes, which tell when they are gone."""


def _counted(name: str) -> Any:
    def get(self: Any) -> Any:
        Looked.count += 1
        return getattr(self, name)

    return property(get, lambda self, value: setattr(self, name, value))


class Looked:
    """Stands in for a request, and counts how often anybody looks at one of these."""

    count = 0
    deadline_ns = _counted("_deadline")
    cancelled = _counted("_left")

    def __init__(self, call: Call) -> None:
        self.call = call
        self._deadline, self._left = 0, False


def looked() -> list[Any]:
    call = request().call
    return [Looked(call) for _ in range(MANY)]


def test_one_that_expires_costs_no_look_at_all_the_others() -> None:
    """A long queue, an instance that is busy, and at every turn of the loop one that is late."""
    scheduler = DynamicScheduler(
        Policy(8, default_queue=QueuePolicy(timeout_us=10 * MANY, allow_override=True))
    )
    requests = looked()
    for turn, each in enumerate(requests):
        scheduler.add(each, turn * US)
    Looked.count = 0
    first = 10 * MANY * US
    for turn in range(MANY):
        assert scheduler.deadline() == first + turn * US
        scheduler.settle(first + turn * US)
        assert len(scheduler) == MANY - turn - 1
    assert [each.request for each in scheduler.dropped] == requests
    assert Looked.count < 10 * MANY


@pytest.mark.parametrize("make", [DirectScheduler, lambda: DynamicScheduler(Policy(8))])
def test_nor_does_one_that_is_cancelled(make: Any) -> None:
    scheduler = make()
    requests = looked()
    for each in requests:
        scheduler.add(each, 0)
    Looked.count = 0
    for each in reversed(requests):
        scheduler.cancel(each)
        scheduler.cancel(each)  # again: it is gone
        scheduler.settle(0)
    assert [each.request for each in scheduler.dropped] == requests[::-1]
    assert len(scheduler) == 0
    assert Looked.count < 10 * MANY


@pytest.mark.parametrize("preferred", [(), (4, 8)])
def test_a_batch_costs_the_same_however_many_wait(
    preferred: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []

    def values(queue: Queue) -> Iterator[InferRequest]:
        for each in OrderedDict.values(queue):
            given.append(id(each))
            yield each

    monkeypatch.setattr(Queue, "values", values)
    scheduler = DynamicScheduler(Policy(8, preferred))
    requests = looked()
    for each in requests:
        scheduler.add(each, 0)
    for number in range(MANY // 8):
        given.clear()
        batch = scheduler.next_batch(0)
        assert batch is not None
        assert batch.requests == requests[8 * number : 8 * number + 8]
        assert len(given) <= 10  # those of the batch, the one behind, if not all that wait
    assert scheduler.next_batch(0) is None


def test_what_has_run_is_not_kept_until_its_deadline() -> None:
    """Neither the request with its tensors nor, for long, the note of when it would expire."""
    queue, deadlines = Queue(), Deadlines()
    made_of: list[ref[Data]] = []
    for number in range(MANY):
        made = request()
        made.data = [tensor := Data(1)]
        made_of.append(ref(tensor))
        made.deadline_ns = 10**18 - number  # the earliest are the last that came
        queue.append(made)
        deadlines.add(made, queue)
        assert queue.popleft() is made
    assert len(deadlines) < MANY / 10
    del made, tensor
    assert not any(each() for each in made_of)
    assert deadlines.next_ns() is None
    assert deadlines.expired(10**18) == []


@given(st.lists(st.tuples(st.sampled_from("aer"), st.integers(0, 20)), max_size=60))
def test_the_earliest_deadline_of_what_waits(steps: list[tuple[str, int]]) -> None:
    queue, deadlines = Queue(), Deadlines()
    model: list[InferRequest] = []
    for step, number in steps:
        if step == "a":
            made = request()
            made.deadline_ns = 1 + number
            queue.append(made)
            deadlines.add(made, queue)
            model.append(made)
        elif step == "e":
            late = [each for each in model if each.deadline_ns <= number]
            assert deadlines.expired(number) == late
            model = [each for each in model if each not in late]
        elif model:
            gone = model.pop(number % len(model))
            assert queue.remove(gone)
            assert not queue.remove(gone)
        assert list(queue.values()) == model
        assert deadlines.next_ns() == min((each.deadline_ns for each in model), default=None)
