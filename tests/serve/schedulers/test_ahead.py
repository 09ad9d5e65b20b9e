"""Batches made ahead: which ones, who has them, and what leaving clients change."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.backends import thread
from trtserve.backends.base import Place
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError
from trtserve.request import Call, CallInput, InferRequest, InferResponse
from trtserve.schedulers.ahead import Ahead
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.dynamic import DynamicScheduler, Policy, QueuePolicy
from trtserve.schedulers.loop import Runner
from trtserve.schedulers.policy import Batch, Scheduler
from trtserve.statistics import ModelStatistics

from tests.serve.schedulers.test_dynamic import request
from tests.serve.schedulers.test_loop import Instance, asked
from trtbuild.modelconfig.schema import new_config


def batcher(*sizes: int, **policy: Any) -> DynamicScheduler:
    made = DynamicScheduler(Policy(**({"max_batch_size": 8} | policy)))
    for size in sizes:
        made.add(request(size), 0)
    return made


def test_a_batch_that_may_grow_is_not_made_ahead() -> None:
    scheduler = batcher(3, 2, 1)
    assert scheduler.full_batch() is None
    assert len(scheduler) == 3
    scheduler.add(request(2), 0)
    batch = scheduler.full_batch()
    assert batch is not None
    assert batch.rows == 8


def test_one_that_the_next_request_does_not_fit_into_is_full() -> None:
    scheduler = batcher(3, 3, 3)
    batch = scheduler.full_batch()
    assert batch is not None
    assert batch.rows == 6
    assert len(scheduler) == 1


@pytest.mark.parametrize(
    "policy",
    [
        {"levels": 2, "default_level": 1},  # a later request may overtake it
        {"default_queue": QueuePolicy(timeout_us=1_000_000)},  # it may expire
        {"default_queue": QueuePolicy(max_size=100)},  # its place counts
        {"preferred": (2, 4), "delay_us": 100},  # may be larger once it has waited
    ],
)
def test_what_the_queue_may_still_change_is_not_made_ahead(policy: dict[str, Any]) -> None:
    scheduler = batcher(*[1] * 20, **policy)
    assert scheduler.full_batch() is None
    assert len(scheduler) == 20


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=30),
    st.lists(st.integers(1, 8), max_size=10),
    st.sets(st.integers(1, 8)),
    st.sampled_from([0, 100]),
)
def test_what_is_made_ahead_is_what_would_have_run(
    sizes: list[int], later: list[int], preferred: set[int], delay_us: int
) -> None:
    """Whatever comes after it, and however late an instance asks."""
    policy = {"preferred": tuple(sorted(preferred)), "delay_us": delay_us}
    ahead = batcher(*sizes, **policy).full_batch()
    if ahead is None:
        return
    for now in (0, 10**9):
        run = batcher(*sizes, *later, **policy).next_batch(now)
        assert run is not None
        if not delay_us:  # which ends the preference for some sizes
            assert [each.call.rows for each in run.requests] == [
                each.call.rows for each in ahead.requests
            ]
        assert ahead.rows <= 8


def test_a_single_request_is_always_full() -> None:
    scheduler = DirectScheduler()
    assert scheduler.full_batch() is None
    scheduler.add(first := request(), 0)
    scheduler.add(request(), 0)
    batch = scheduler.full_batch()
    assert batch is not None
    assert batch.requests == [first]


def going_on(instance: Instance, ahead: Ahead) -> None:
    """What an instance's thread does at the end of a batch, if there is more."""
    batch = ahead.take()
    assert batch is not None
    instance.go_on(batch)


def running(scheduler: Scheduler, *instances: Instance, most: int = 100) -> Runner:
    loop = asyncio.get_running_loop()
    return Runner(scheduler, instances, ModelStatistics(), loop, most)


def pair(count: int) -> tuple[Ahead, list[Instance]]:
    ahead = Ahead()
    instances = [Instance() for _ in range(count)]
    for each in instances:
        each.ahead = ahead
    return ahead, instances


def test_each_instance_finds_a_full_batch() -> None:
    async def main() -> None:
        ahead, instances = pair(2)
        runner = running(DynamicScheduler(Policy(2)), *instances)
        requests = [asked() for _ in range(11)]
        for each in requests:
            runner.submit(each)
        await asyncio.sleep(0)
        assert (len(ahead), runner.waiting) == (2, 7)
        going_on(instances[0], ahead)
        await asyncio.sleep(0)
        assert instances[0].batch is not None
        assert instances[0].batch.requests == requests[4:6]
        assert (len(ahead), runner.waiting) == (2, 5)  # there is one in its place
        instances[1].finish()  # it found nothing, as it says: the loop gives it what there is
        assert instances[1].batch is not None
        assert instances[1].batch.requests == requests[6:8]

    asyncio.run(main())


def test_drain_waits_for_what_is_ahead() -> None:
    async def main() -> None:
        heard: list[InferResponse | ServeError] = []
        ahead, (instance,) = pair(1)
        runner = running(DirectScheduler(), instance)
        for _ in range(3):
            runner.submit(asked(heard))
        await asyncio.sleep(0)
        draining = asyncio.ensure_future(runner.drain())
        going_on(instance, ahead)
        for count in (1, 2):
            await asyncio.sleep(0)
            assert (len(heard), draining.done()) == (count, False)
            instance.finish()
        await draining
        assert len(heard) == 3

    asyncio.run(main())


def test_what_is_ahead_counts_as_waiting() -> None:
    async def main() -> None:
        _, (instance,) = pair(1)
        runner = running(DirectScheduler(), instance, most=2)
        runner.submit(asked())
        await asyncio.sleep(0)
        runner.submit(asked())
        await asyncio.sleep(0)
        runner.submit(asked())
        with pytest.raises(ServeError, match="Exceeds maximum queue size"):
            runner.submit(asked())

    asyncio.run(main())


def test_a_client_that_leaves_frees_its_place_in_a_batch_ahead() -> None:
    async def main() -> None:
        ahead, (instance,) = pair(1)
        runner = running(DynamicScheduler(Policy(2)), instance)
        heard: list[InferResponse | ServeError] = []
        requests = [asked(heard if number == 3 else None) for number in range(6)]
        for each in requests:
            runner.submit(each)
        await asyncio.sleep(0)
        runner.cancel(requests[3])
        await asyncio.sleep(0)
        (refused,) = heard
        assert isinstance(refused, ServeError)
        assert refused.kind is Kind.CANCELLED
        batch = ahead.take()
        assert batch is not None
        assert (batch.requests, batch.rows) == ([requests[2]], 1)
        ahead.put_back(batch)
        runner.cancel(requests[2])
        await asyncio.sleep(0)
        assert [each.requests for each in iter(ahead.take, None)] == [requests[4:]]

    asyncio.run(main())


class Gated:
    """An executor that waits for its gate, and notes what it has begun."""

    room = bind = None
    steady = False

    def __init__(self, depth: int = 1) -> None:
        self.depth = depth
        self.begun: list[float] = []
        self.gate = threading.Semaphore(0)

    def execute(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        self.begun.append(float(inputs["x"][0, 0]))
        assert self.gate.acquire(timeout=30)
        return dict.fromkeys(outputs, inputs["x"])

    def unload(self) -> None:
        pass


def contract(max_batch_size: int) -> Contract:
    tensor = {"data_type": "TYPE_FP32", "dims": [1]}
    config = new_config(name="m", max_batch_size=max_batch_size, input=[tensor | {"name": "x"}],
                        output=[tensor | {"name": "y"}])  # fmt: skip
    return Contract("m", config, {})


def numbered(call: Call, number: int, heard: list[Any]) -> InferRequest:
    data = np.array([[number]], np.float32).tobytes()
    reply = lambda _, answer: heard.append((number, answer))  # noqa: E731  # one line a reply
    return InferRequest(call, [data], reply, time.monotonic_ns())


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_an_instance_goes_on_while_the_loop_does_something_else() -> None:
    async def main() -> None:
        executor = Gated()
        heard: list[Any] = []
        model, loop = contract(1), asyncio.get_running_loop()
        runner = Runner(
            DirectScheduler(), thread.instances([executor], Place(model, "1", loop)),
            ModelStatistics(), loop, 100,
        )  # fmt: skip
        call = model.call("", [CallInput("x", "FP32", (1, 1))], [], {}, binary=True)
        for number in range(3):
            runner.submit(numbered(call, number, heard))
        await asyncio.sleep(0)
        executor.gate.release()
        until(lambda: executor.begun == [0, 1])  # the loop stands still here
        assert heard == []
        executor.gate.release(2)
        await runner.drain()
        assert [number for number, _ in heard] == [0, 1, 2]
        runner.close()

    asyncio.run(main())


class Brief(Gated):
    """An executor that takes no time worth mentioning."""

    def execute(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        time.sleep(0.0001)
        return dict.fromkeys(outputs, inputs["x"])


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("most", [1, 4])
def test_every_request_has_one_answer_while_clients_leave(most: int, depth: int) -> None:
    """Instances take from both ends of what the loop takes out and puts back."""
    chance = np.random.default_rng(most)

    async def main() -> None:
        heard: list[tuple[int, Any]] = []
        model, loop = contract(most), asyncio.get_running_loop()
        instances = thread.instances([Brief(depth) for _ in range(3)], Place(model, "1", loop))
        runner = Runner(DynamicScheduler(Policy(most)), instances, ModelStatistics(), loop, 10**6)
        call = model.call("", [CallInput("x", "FP32", (1, 1))], [], {}, binary=True)
        requests = []
        for number in range(3000):
            requests.append(made := numbered(call, number, heard))
            runner.submit(made)
            if chance.random() < 0.3:
                leaving = requests[int(chance.integers(max(0, number - 30), number + 1))]
                if leaving.reply is not None:
                    runner.cancel(leaving)
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        await runner.drain()
        assert Counter(number for number, _ in heard) == Counter(range(3000))
        for number, answer in heard:
            if isinstance(answer, ServeError):
                assert answer.kind is Kind.CANCELLED
                assert requests[number].cancelled
            else:
                assert answer.data[0] == np.float32(number).tobytes()
        runner.close()

    asyncio.run(main())


def test_what_was_put_back_comes_first() -> None:
    ahead = Ahead()
    batches = [Batch([request()], 1) for _ in range(3)]
    for each in batches:
        ahead.put(each)
    first = ahead.take()
    assert first is batches[0]
    ahead.put_back(first)
    assert (len(ahead), ahead.requests) == (3, 3)
    assert [ahead.take() for _ in range(4)] == [*batches, None]
    assert not ahead.withdraw(request())
