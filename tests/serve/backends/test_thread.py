"""Where a batch of an in-process engine runs: on its instance's thread, or on the loop's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from trtserve.backends import thread
from trtserve.backends.base import Place
from trtserve.contract import Contract
from trtserve.errors import ServeError, invalid
from trtserve.request import Call, CallInput, InferRequest
from trtserve.schedulers.loop import Instance, Outcome
from trtserve.schedulers.policy import Batch

from trtbuild.modelconfig.schema import new_config

SHORT, LONG = 20_000, 50_000_000


class Clock:
    """Nanoseconds that pass only where a test lets them."""

    def __init__(self) -> None:
        self.now = 0
        self.worked = 0  # of that, on the processor

    def __call__(self) -> int:
        return self.now


class Doubling:
    """An executor that takes as long as it is told, and notes on which thread it ran."""

    room = None
    bind: Any = None
    depth = 1

    def __init__(self, clock: Clock, *, steady: bool) -> None:
        self.steady = steady
        self.takes_ns = SHORT
        self.waits_ns_on_thread = 0  # for the GIL
        self.ran_on: list[int] = []
        self._clock = clock

    def execute(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        self.ran_on.append(threading.get_ident())
        on_thread = threading.current_thread() is not threading.main_thread()
        self._clock.now += self.takes_ns + self.waits_ns_on_thread * on_thread
        self._clock.worked += self.takes_ns
        return dict.fromkeys(outputs, inputs["x"] * 2)

    def unload(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("time.monotonic_ns", found)
    monkeypatch.setattr("time.thread_time_ns", lambda: found.worked)
    return found


def contract(dims: Sequence[int] = (2,)) -> Contract:
    tensor = {"data_type": "TYPE_FP32", "dims": list(dims)}
    config = new_config(name="m", max_batch_size=8, input=[tensor | {"name": "x"}],
                        output=[tensor | {"name": "y"}])  # fmt: skip
    return Contract("m", config, {})


def ran_on_loop(
    executor: Doubling, steps: Sequence[tuple[int, int]], of: Contract | None = None
) -> list[bool]:
    """Which of the batches, each (rows, ns it takes), ran on the event loop's thread."""
    model = of or contract()
    calls: dict[int, Call] = {}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        (instance,) = thread.instances([executor], Place(model, "1", loop))
        for rows, executor.takes_ns in steps:
            call = calls.setdefault(
                rows, model.call("", [CallInput("x", "FP32", (rows, 2))], [], {}, binary=True)
            )
            data = np.ones((rows, 2), np.float32).tobytes()
            request = InferRequest(call, [data], lambda *_: None, 0)
            finished: asyncio.Future[Outcome] = loop.create_future()

            def done(_i: Instance, _b: Batch, outcome: Outcome, to: Any = finished) -> None:
                to.set_result(outcome)

            instance.start(Batch([request], rows, call), done)
            (answer,) = (await finished).answers
            (output,) = answer.outputs  # type: ignore[union-attr]  # no error here
            assert bytes(output.data) == np.full((rows, 2), 2, np.float32).tobytes()
        instance.close()

    asyncio.run(run())
    return [ident == threading.get_ident() for ident in executor.ran_on]


def test_short_executions_run_on_the_loop_once_known(clock: Clock) -> None:
    assert ran_on_loop(Doubling(clock, steady=True), [(1, SHORT)] * 3) == [False, True, True]


def test_batch_sizes_are_known_by_powers_of_two(clock: Clock) -> None:
    steps = [(1, SHORT), (8, LONG), (1, SHORT), (8, LONG), (4, SHORT), (7, SHORT)]
    ran = ran_on_loop(Doubling(clock, steady=True), steps)
    assert ran == [False, False, True, False, False, True]


def test_an_execution_that_was_long_sends_the_next_to_the_thread(clock: Clock) -> None:
    steps = [(1, SHORT), (1, LONG), (1, LONG), (1, LONG), (1, SHORT)]
    assert ran_on_loop(Doubling(clock, steady=True), steps) == [False, True, False, False, False]


def test_being_interrupted_costs_one_hand_over(clock: Clock) -> None:
    steps = [(1, SHORT), (1, LONG), *[(1, SHORT)] * 3]
    assert ran_on_loop(Doubling(clock, steady=True), steps) == [False, True, False, True, True]


def test_waiting_for_the_gil_keeps_nothing_on_the_thread(clock: Clock) -> None:
    executor = Doubling(clock, steady=True)
    executor.waits_ns_on_thread = LONG
    assert ran_on_loop(executor, [(1, SHORT)] * 3) == [False, True, True]


def test_what_values_can_make_long_never_runs_on_the_loop(clock: Clock) -> None:
    assert not any(ran_on_loop(Doubling(clock, steady=False), [(1, SHORT)] * 3))


def test_nor_what_shapes_can_make_long(clock: Clock) -> None:
    executor = Doubling(clock, steady=True)
    assert not any(ran_on_loop(executor, [(1, SHORT)] * 3, contract(dims=[-1])))


def _tell(told: list[Any], _: Instance, __: Batch, outcome: Outcome) -> None:
    told += outcome.answers


class Bound:
    """A run that doubles, or fails, and counts."""

    def __init__(self, clock: Clock, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        self.inputs: Sequence[Any] = [np.empty_like(each) for each in inputs.values()]
        self.outputs: Sequence[Any] = [np.empty_like(each) for each in outputs.values()]
        self.runs, self.fails = 0, False
        self.fails_after = 1000
        self._clock = clock

    def begin(self) -> None:
        self.runs += 1
        self._clock.now += SHORT
        if self.fails or self.runs > self.fails_after:
            raise RuntimeError("other shapes than expected")
        np.multiply(self.inputs[0], 2, out=self.outputs[0])

    def passed(self) -> bool:
        return True

    def wait(self) -> None:
        pass


class Binding(Doubling):
    """An executor that has runs in memory of their own."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, steady=True)
        self.bound: list[Bound] = []
        self.fails_after = 1000
        self.bind = self._bind

    def _bind(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Bound:
        self.bound.append(Bound(self._clock, inputs, outputs))
        self.bound[-1].fails_after = self.fails_after
        return self.bound[-1]


def test_short_batches_that_come_again_run_in_memory_of_their_own(clock: Clock) -> None:
    executor = Binding(clock)
    ran_on_loop(executor, [(1, SHORT)] * 6)
    # The thread's, two on the loop of which the second is learned, and its trial.
    assert len(executor.ran_on) == 3
    assert [each.runs for each in executor.bound] == [1 + 3]


def test_long_batches_are_not_worth_it(clock: Clock) -> None:
    executor = Binding(clock)
    ran_on_loop(executor, [(1, LONG)] * 5)
    assert (len(executor.ran_on), executor.bound) == (5, [])


def test_a_known_batch_that_fails_is_run_as_any_other_and_ends_it(clock: Clock) -> None:
    executor = Binding(clock)
    executor.fails_after = 2
    ran_on_loop(executor, [(1, SHORT)] * 8)  # which compares all answers
    assert [each.runs for each in executor.bound] == [3]
    assert len(executor.ran_on) == 8 - 1


def test_what_is_the_requests_fault_is_not_the_batches(clock: Clock) -> None:
    """A client's bad values fail both ways; the next ones go on as before."""

    class Strict(Binding):
        def execute(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
            if self.bound and self.bound[-1].fails:
                raise invalid("bad values")
            return super().execute(inputs, outputs)

    executor = Strict(clock)
    model = contract()
    call = model.call("", [CallInput("x", "FP32", (1, 2))], [], {}, binary=True)

    async def run() -> None:
        (instance,) = thread.instances([executor], Place(model, "1", asyncio.get_running_loop()))
        for number in range(8):
            bad = number == 5
            for each in executor.bound:
                each.fails = bad
            request = InferRequest(call, [bytes(8)], lambda *_: None, 0)
            told: list[Any] = []
            instance.start(Batch([request], 1, call), partial(_tell, told))
            while not told:
                await asyncio.sleep(0)
            (answer,) = told
            assert isinstance(answer, ServeError) == bad
        instance.close()

    asyncio.run(run())
    assert len(executor.ran_on) == 3
    assert [each.runs for each in executor.bound] == [1 + 5]


class OfAGpu(Bound):
    """A run that is over once it was asked for that so often, or waited for."""

    def __init__(self, clock: Clock, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        super().__init__(clock, inputs, outputs)
        self.asks, self.awaited_on = 3, list[int]()
        self.wait_fails = False
        self._asked = 0

    def begin(self) -> None:
        super().begin()
        self._result = self.outputs[0].copy()
        self.outputs[0].fill(-1)
        self._asked = 0

    def passed(self) -> bool:
        self._clock.now += SHORT
        self._asked += 1
        return self._asked > self.asks and self._done()

    def _done(self) -> bool:
        self.outputs[0][:] = self._result
        return True

    def wait(self) -> None:
        self.awaited_on.append(threading.get_ident())
        if self.wait_fails:
            raise RuntimeError("the GPU has failed")
        self._done()


class Gpu(Binding):
    """An executor that waits for a GPU, and takes two batches at once."""

    depth = 2

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.steady = False

    def _bind(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Bound:
        self.bound.append(OfAGpu(self._clock, inputs, outputs))
        return self.bound[-1]


def gpu_rounds(executor: Gpu, before: Sequence[Callable[[OfAGpu], None] | None]) -> list[bool]:
    """Whether each batch ran on the loop; before some, something is done to the bound run."""
    model = contract()
    call = model.call("", [CallInput("x", "FP32", (1, 2))], [], {}, binary=True)
    here: list[bool] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        (instance,) = thread.instances([executor], Place(model, "1", loop))
        for number, change in enumerate(before):
            if change is not None:
                change(executor.bound[-1])  # type: ignore[arg-type]
            finished: asyncio.Future[Outcome] = loop.create_future()

            def done(_i: Instance, _b: Batch, outcome: Outcome, to: Any = finished) -> None:
                to.set_result(outcome)

            values = np.full((1, 2), number, np.float32)
            request = InferRequest(call, [values.tobytes()], lambda *_: None, 0)
            instance.start(Batch([request], 1, call), done)
            here.append(finished.done() and instance.here)
            (answer,) = (await asyncio.wait_for(finished, 30)).answers
            (output,) = answer.outputs  # type: ignore[union-attr]  # no error here
            assert bytes(output.data) == (2 * values).tobytes(), number
        instance.close()

    asyncio.run(run())
    return here


def test_a_gpu_that_answers_at_once_is_waited_for_on_the_loop(clock: Clock) -> None:
    executor = Gpu(clock)
    assert gpu_rounds(executor, [None] * 5) == [False, False, True, True, True]
    assert len(executor.ran_on) == 2
    assert [each.runs for each in executor.bound] == [1 + 3]


def test_one_that_does_not_is_waited_for_by_a_thread_and_the_loop_goes_on(clock: Clock) -> None:
    """The next batches go to a thread at once: 4, then 8, as long as it stays so."""
    executor = Gpu(clock)

    def late(run: OfAGpu) -> None:
        run.asks = 1 << 30

    def early(run: OfAGpu) -> None:
        run.asks = 3

    here = gpu_rounds(executor, [None, None, late, *[None] * 4, None, *[None] * 8, early, None])
    assert here == [False] * (3 + 4 + 1 + 8) + [True, True], here
    (run,) = executor.bound
    assert isinstance(run, OfAGpu)
    assert run.runs == 1 + 4
    assert threading.get_ident() not in run.awaited_on
    assert len(run.awaited_on) == 3  # its trial and the two that were late
    assert len(executor.ran_on) == 2 + 4 + 8


def test_one_that_fails_is_run_as_any_other_batch_and_ends_it(clock: Clock) -> None:
    def in_begin(run: OfAGpu) -> None:
        run.fails = True

    def in_wait(run: OfAGpu) -> None:
        run.asks, run.wait_fails = 1 << 30, True

    for fault in (in_begin, in_wait):
        executor = Gpu(clock)
        assert gpu_rounds(executor, [None, None, None, fault, None, None]) == (
            [False, False, True, False, False, False]
        )
        assert len(executor.ran_on) == 5
        assert len(executor.bound) == 1


def test_nothing_is_begun_on_the_loop_beside_a_batch_under_way(clock: Clock) -> None:
    """Runs in memory of their own share that memory."""
    model, executor = contract(), Gpu(clock)
    call = model.call("", [CallInput("x", "FP32", (1, 2))], [], {}, binary=True)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        (instance,) = thread.instances([executor], Place(model, "1", loop))

        def start(value: int) -> asyncio.Future[Outcome]:
            finished: asyncio.Future[Outcome] = loop.create_future()
            data = np.full((1, 2), value, np.float32).tobytes()
            request = InferRequest(call, [data], lambda *_: None, 0)
            instance.start(Batch([request], 1, call), lambda *given: finished.set_result(given[2]))
            return finished

        for value in range(2):
            await asyncio.wait_for(start(value), 30)
        (bound,) = executor.bound
        assert isinstance(bound, OfAGpu)
        bound.asks = 1 << 30
        first, second = start(5), start(6)  # which the loop cannot know to be over
        for value, finished in ((5, first), (6, second)):
            (answer,) = (await asyncio.wait_for(finished, 30)).answers
            assert bytes(answer.data[0]) == np.full((1, 2), 2 * value, np.float32).tobytes()  # type: ignore[union-attr]
        assert bound.runs == 1 + 1
        instance.close()

    asyncio.run(run())


class Two:
    """An executor of two batches at once, each of which waits for its gate: rows say which."""

    room = bind = None
    steady = False
    depth = 2

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gates = {rows: threading.Semaphore(0) for rows in (1, 2, 3)}
        self.unloaded: list[list[int]] = []
        self._ended: list[int] = []

    def execute(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        rows = len(inputs["x"])
        self.begun.append(rows)
        assert self.gates[rows].acquire(timeout=30)
        self._ended.append(rows)
        if rows == 2:
            raise RuntimeError("two is too many")
        return dict.fromkeys(outputs, inputs["x"])

    def unload(self) -> None:
        self.unloaded.append(list(self._ended))


def test_two_batches_at_once_end_in_any_order_each_with_its_own_error() -> None:
    """And what is closed meanwhile is freed once, after both."""
    model, executor = contract(), Two()

    async def run() -> None:
        (instance,) = thread.instances([executor], Place(model, "1", asyncio.get_running_loop()))
        ended: dict[int, asyncio.Future[Outcome]] = {}

        def done(_i: Instance, batch: Batch, outcome: Outcome) -> None:
            ended[batch.rows].set_result(outcome)

        def start(rows: int) -> None:
            ended[rows] = asyncio.get_running_loop().create_future()
            call = model.call("", [CallInput("x", "FP32", (rows, 2))], [], {}, binary=True)
            data = np.full((rows, 2), rows, np.float32).tobytes()
            instance.start(Batch([InferRequest(call, [data], lambda *_: None, 0)], rows), done)

        start(1)
        start(2)
        executor.gates[2].release()
        (failed,) = (await asyncio.wait_for(ended[2], 30)).answers
        assert "two is too many" in str(failed)
        assert not ended[1].done()
        start(3)
        instance.close()
        executor.gates[3].release()
        (third,) = (await asyncio.wait_for(ended[3], 30)).answers
        assert executor.unloaded == []
        executor.gates[1].release()
        (first,) = (await asyncio.wait_for(ended[1], 30)).answers
        for rows, answer in ((1, first), (3, third)):
            assert bytes(answer.data[0]) == np.full((rows, 2), rows, np.float32).tobytes()  # type: ignore[union-attr]
        assert set(executor.begun[:2]) == {1, 2}

    asyncio.run(run())
    for each in threading.enumerate():
        if each.name == "m:1":
            each.join(30)
    assert executor.unloaded == [[2, 3, 1]]
