"""The loop that runs a scheduler: on a real event loop, with instances that a test finishes."""

from __future__ import annotations

import asyncio
import time
import weakref

import pytest
from trtserve.backends.base import Loaded
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError
from trtserve.loading import Prepared
from trtserve.request import Form, InferRequest, InferResponse
from trtserve.schedulers.ahead import Ahead
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.dynamic import DynamicScheduler, Policy, QueuePolicy
from trtserve.schedulers.loop import Done, Outcome, Runner
from trtserve.schedulers.policy import Batch, Scheduler
from trtserve.settings import Settings
from trtserve.statistics import ModelStatistics
from trtserve.version import Version

from tests.serve.schedulers.test_dynamic import request
from trtbuild.modelconfig.schema import new_config


class Instance:
    """Notes what it is given; `finish` answers it."""

    capacity = 1

    def __init__(self, *, here: bool = False) -> None:
        self.here = here
        self.ahead: Ahead | None = None
        self.batch: Batch | None = None
        self._done: Done | None = None
        self.closed = False

    def start(self, batch: Batch, done: Done) -> None:
        assert self.batch is None, "an instance runs one batch at a time"
        self.batch, self._done = batch, done

    def finish(self) -> None:
        self._finish(None)

    def go_on(self, following: Batch) -> None:
        """Finish, having begun another batch."""
        self._finish(following)

    def _finish(self, following: Batch | None) -> None:
        batch, done = self.batch, self._done
        assert batch is not None
        assert done is not None
        self.batch = following
        now = time.monotonic_ns()
        answers = [InferResponse(Form("m", "1", ()), ())] * len(batch.requests)
        done(self, batch, Outcome(answers, now, now, now, now, following is not None))

    def close(self) -> None:
        self.closed = True


def runner(*instances: Instance, delay_us: int = 0) -> Runner:
    scheduler = DynamicScheduler(Policy(8, (4,), delay_us))
    loop = asyncio.get_running_loop()
    return Runner(scheduler, instances, ModelStatistics(), loop, 100)


def asked(heard: list[InferResponse | ServeError] | None = None) -> InferRequest:
    made = request(at=time.monotonic_ns())
    if heard is not None:
        made.reply = lambda _, answer: heard.append(answer)
    return made


def test_an_idle_instance_has_what_came_within_one_turn_of_the_loop() -> None:
    """Zero added delay: no timer, and those that came in the same turn are together."""

    async def main() -> None:
        instance = Instance()
        running = runner(instance)
        first, second = asked(), asked()
        running.submit(first)
        running.submit(second)
        await asyncio.sleep(0)
        assert instance.batch is not None
        assert instance.batch.requests == [first, second]
        third = asked()
        running.submit(third)
        await asyncio.sleep(0)
        instance.finish()
        await asyncio.sleep(0)
        assert instance.batch is not None
        assert instance.batch.requests == [third]

    asyncio.run(main())


def test_who_would_keep_the_loop_busy_first_lets_it_read_what_has_come() -> None:
    """A look, and more as long as more comes than before and less than the last batch had."""

    async def main() -> None:
        instance = Instance(here=True)
        running = runner(instance)
        for turns in (
            (1,),  # alone: it starts at once
            (2, 1),  # there was a look; more than in the last batch are here
            (1,),
            (2, 0),  # nothing more
            (3, 1),
            (2, 1, 1),  # less than the last time, so one look more
            (2, 1, 0),
        ):
            for turn, count in enumerate(turns):
                assert instance.batch is None, (turns, turn)
                for _ in range(count):
                    running.submit(asked())
                await asyncio.sleep(0)
            assert instance.batch is not None, turns
            assert instance.batch.rows == sum(turns)
            instance.finish()

    asyncio.run(main())


@pytest.mark.parametrize("scheduler", [DynamicScheduler(Policy(8)), DirectScheduler()])
def test_a_queue_without_a_limit_of_its_own_has_one(scheduler: Scheduler) -> None:
    async def main() -> None:
        statistics = ModelStatistics()
        loop = asyncio.get_running_loop()
        running = Runner(scheduler, [instance := Instance()], statistics, loop, 2)
        running.submit(asked())
        await asyncio.sleep(0)
        assert instance.batch is not None
        waiting = [asked(), asked()]
        for each in waiting:
            running.submit(each)
        with pytest.raises(ServeError, match="Exceeds maximum queue size") as caught:
            running.submit(asked())
        assert caught.value.kind is Kind.UNAVAILABLE
        assert statistics.failures["REJECTED"] == 1
        running.cancel(waiting[0])
        running.submit(asked())  # whoever leaves makes room
        assert running.waiting == 2

    asyncio.run(main())


def test_a_delay_is_the_only_wait() -> None:
    """An hour's delay: a preferred size runs in the same turn, less waits."""

    async def main() -> None:
        instance = Instance()
        running = runner(instance, delay_us=3_600_000_000)
        for _ in range(3):
            running.submit(asked())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not instance.batch
        running.submit(asked())
        await asyncio.sleep(0)
        batch: Batch | None = instance.batch
        assert batch is not None
        assert batch.rows == 4
        running.close()

    asyncio.run(main())


def test_closing_lets_go_of_the_instances() -> None:
    """Caches keep a version for its name: they must not keep its engine."""

    async def main() -> None:
        instance = Instance()
        gone = weakref.ref(instance)
        running = runner(instance)
        running.submit(asked())
        await asyncio.sleep(0)
        draining = asyncio.ensure_future(running.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        instance.finish()
        await draining
        running.close()
        closed = instance.closed
        del instance
        assert (closed, gone()) == (True, None)

    asyncio.run(main())


def test_an_expired_request_whose_answer_is_held_back_can_be_cancelled() -> None:
    async def main() -> None:
        instance = Instance()
        scheduler = DynamicScheduler(Policy(8, default_queue=QueuePolicy(timeout_us=1)))
        loop = asyncio.get_running_loop()
        running = Runner(scheduler, [instance], ModelStatistics(), loop, 10)
        heard: list[InferResponse | ServeError] = []
        late = asked(heard)
        late.started_ns -= 1_000_000
        running.submit(late)
        await asyncio.sleep(0)
        assert len(heard) == 1
        running.cancel(late)
        assert running.waiting == 0
        running.submit(asked())

    asyncio.run(main())


class Wide:
    """Takes two batches at a time; `finish` answers the one at an index."""

    here = False
    capacity = 2

    def __init__(self, takes_ns: int = 10**9) -> None:
        self.ahead: Ahead | None = Ahead()
        self.takes_ns = takes_ns
        self.batches: list[tuple[Batch, Done]] = []

    def start(self, batch: Batch, done: Done) -> None:
        assert len(self.batches) < self.capacity
        self.batches.append((batch, done))

    def finish(self, index: int = 0) -> None:
        batch, done = self.batches.pop(index)
        now = time.monotonic_ns()
        answers = [InferResponse(Form("m", "1", ()), ())] * len(batch.requests)
        done(self, batch, Outcome(answers, now, now, now + self.takes_ns, now + self.takes_ns))

    def sizes(self) -> list[int]:
        return [len(batch.requests) for batch, _ in self.batches]

    def close(self) -> None:
        pass


async def submitted(to: Runner, count: int) -> list[InferRequest]:
    requests = [asked() for _ in range(count)]
    for each in requests:
        to.submit(each)
    await asyncio.sleep(0)
    return requests


async def wide(scheduler: Scheduler, *instances: Wide) -> Runner:
    """A runner that has seen how long a batch takes."""
    loop = asyncio.get_running_loop()
    running = Runner(scheduler, instances, ModelStatistics(), loop, 100)
    await submitted(running, 1)
    for each in instances:
        if each.batches:
            each.finish()
    return running


def test_the_second_batch_is_as_large_as_the_first_or_waits() -> None:
    async def main() -> None:
        instance = Wide()
        running = await wide(DynamicScheduler(Policy(8)), instance)
        await submitted(running, 3)
        await submitted(running, 2)
        assert instance.sizes() == [3]
        await submitted(running, 1)
        assert instance.sizes() == [3, 3]
        await submitted(running, 4)
        assert instance.sizes() == [3, 3], "two are in flight"
        instance.finish(1)  # whichever is done first
        assert instance.sizes() == [3, 4]
        await submitted(running, 1)
        instance.finish()
        assert instance.sizes() == [4], "one of four is in flight, and one request waits"
        instance.finish()
        assert instance.sizes() == [1], "nothing else is in flight"

    asyncio.run(main())


def test_short_batches_run_one_at_a_time() -> None:
    """However many wait: they come together, and the full ones are ready beside the instance."""

    async def main() -> None:
        instance = Wide(takes_ns=100_000)
        running = await wide(DynamicScheduler(Policy(8)), instance)
        await submitted(running, 3)
        await submitted(running, 11)
        assert instance.sizes() == [3]
        assert instance.ahead is not None
        assert (len(instance.ahead), running.waiting) == (1, 11)
        instance.takes_ns = 10**9
        instance.finish()
        assert instance.sizes() == [8], "a smaller one waits until that is done"
        await submitted(running, 5)
        assert instance.sizes() == [8, 8], "long since the last one, so the next is begun beside"

    asyncio.run(main())


def test_a_full_batch_goes_beside_a_larger_number_of_requests() -> None:
    async def main() -> None:
        instance = Wide()
        scheduler = DynamicScheduler(Policy(8))
        running = await wide(scheduler, instance)
        await submitted(running, 4)
        whole = request(8, at=time.monotonic_ns())
        running.submit(whole)
        await asyncio.sleep(0)
        assert [batch.rows for batch, _ in instance.batches] == [4, 8]
        assert instance.batches[1][0].requests == [whole]

    asyncio.run(main())


def test_a_third_batch_is_full_and_goes_where_the_fewest_are() -> None:
    async def main() -> None:
        one, two = Wide(), Wide()
        one.capacity = two.capacity = 3
        two.ahead = one.ahead
        running = await wide(DynamicScheduler(Policy(8)), one, two)
        for _ in range(4):
            await submitted(running, 3)
        assert (one.sizes(), two.sizes()) == ([3, 3], [3, 3])
        await submitted(running, 7)
        assert (one.sizes(), two.sizes()) == ([3, 3], [3, 3]), "not full"
        await submitted(running, 1)
        assert sorted((one.sizes(), two.sizes())) == [[3, 3], [3, 3, 8]]
        await submitted(running, 8)
        assert (one.sizes(), two.sizes()) == ([3, 3, 8], [3, 3, 8])

    asyncio.run(main())


@pytest.mark.parametrize("eager", [False, True])
def test_eager_batching_begins_what_there_is(eager: bool) -> None:
    async def main() -> None:
        instance = Wide()
        config = new_config(name="m", max_batch_size=8, dynamic_batching={},
                            optimization={"eager_batching": eager})  # fmt: skip
        loaded = Loaded("here", lambda _: [instance], lambda: None)
        prepared = Prepared(config, Contract("m", config, {}), loaded, "", ("cuda:0",))
        settings = Settings(repositories=())
        version = Version(1, prepared, settings, asyncio.get_running_loop(), 0)
        await submitted(version.runner, 3)
        await submitted(version.runner, 1)
        assert instance.sizes() == ([3, 1] if eager else [3])

    asyncio.run(main())


def test_an_instance_with_nothing_to_do_comes_before_one_with_room() -> None:
    async def main() -> None:
        one, two = Wide(), Wide()
        two.ahead = one.ahead
        running = await wide(DirectScheduler(), one, two)
        await submitted(running, 2)
        assert (one.sizes(), two.sizes()) == ([1], [1])
        await submitted(running, 2)
        assert (one.sizes(), two.sizes()) == ([1, 1], [1, 1])

    asyncio.run(main())


def test_drain_waits_for_both_batches_of_an_instance() -> None:
    async def main() -> None:
        instance = Wide()
        running = await wide(DirectScheduler(), instance)
        await submitted(running, 2)
        draining = asyncio.ensure_future(running.drain())
        for _ in range(2):
            await asyncio.sleep(0)
            assert not draining.done()
            instance.finish()
        await draining
        running.close()

    asyncio.run(main())
