"""Two instances of one model, real processes both: one is killed and cannot be started again."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from trtserve.backends.base import Place
from trtserve.backends.python.instance import PythonInstance
from trtserve.backends.python.looped import Crew, LoopInstance
from trtserve.backends.python.translation import Answer
from trtserve.errors import Kind
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.loop import Runner
from trtserve.statistics import ModelStatistics

from tests.serve.backends.python.python_models import failed, model, outputs, request

# Answers with its process id. A zero takes as long as there is a file `hold`.
TELLS_PID = """
def initialize(self, args):
    self.hold = os.path.join(args["model_repository"], "hold")

def execute(self, requests):
    while not requests[0].inputs()[0].as_numpy().any() and os.path.exists(self.hold):
        time.sleep(0.01)
    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.array([os.getpid()]))])]
"""
Ask = Callable[[float], Coroutine[Any, Any, Answer]]
Work = Callable[[Ask], Coroutine[Any, Any, None]]


class Two:
    """Two instances of one model behind a runner."""

    def __init__(self, directory: Path) -> None:
        made = model(directory, TELLS_PID)
        self.file = made.file
        self.hold = directory / "model" / "hold"
        self.instances = [PythonInstance(made, f"model_{index}") for index in range(2)]

    def run(self, work: Work) -> None:
        """`work(ask)`, where `ask(number)` has the answer to one request."""
        asyncio.run(self._run(work))

    async def _run(self, work: Work) -> None:
        loop = asyncio.get_running_loop()
        place = Place(None, "1", loop)  # type: ignore[arg-type] # no contract is looked at
        crew = Crew()
        looped = [LoopInstance(each, place, crew) for each in self.instances]
        runner = Runner(DirectScheduler(), looped, ModelStatistics(), loop, 1000)

        async def ask(number: float) -> Answer:
            answered: asyncio.Future[Answer] = loop.create_future()
            asked = request(x=[number])
            asked.started_ns = time.monotonic_ns()
            asked.reply = lambda _, answer: answered.set_result(answer)
            runner.submit(asked)
            return await asyncio.wait_for(answered, 20)

        await work(ask)
        await asyncio.wait_for(runner.drain(), 20)
        runner.close()

    def kill(self, index: int) -> None:
        """End its process, and wait until that is known."""
        instance = self.instances[index]
        assert instance.pid is not None
        os.kill(instance.pid, signal.SIGKILL)
        while instance.usable:
            time.sleep(0.01)


def pid(answer: Answer) -> int:
    return int(outputs(answer)["x"][0])


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_what_one_cannot_run_the_other_runs(two: Two, caplog: pytest.LogCaptureFixture) -> None:
    whole = two.file.read_text()
    healthy = two.instances[0].pid
    # The runner takes the last that became idle: the one without a process, every time.

    async def work(ask: Ask) -> None:
        two.file.write_text("import nothing_of_that_name\n")
        two.kill(1)
        answers = [await ask(1) for _ in range(20)]
        while "'model_1' cannot be started: ModuleNotFoundError" not in caplog.text:
            answers += await asyncio.gather(*map(ask, [0, 1, 1]))
            assert all(pid(answer) == healthy for answer in answers)
        for _ in range(20):
            assert pid(await ask(1)) == healthy
        two.file.write_text(whole)
        deadline = time.monotonic() + 20
        while not two.instances[1].usable:
            assert time.monotonic() < deadline, "it is never started again"
            await asyncio.gather(*map(ask, [1, 1]))
        two.hold.touch()
        asked = [asyncio.ensure_future(ask(0)) for _ in range(2)]
        await asyncio.sleep(0.05)  # each instance holds one
        two.hold.unlink()
        answers = await asyncio.gather(*asked)
        assert {pid(answer) for answer in answers} == {each.pid for each in two.instances}

    two.run(work)


def test_what_waits_at_one_that_dies_is_run_by_the_other(two: Two) -> None:
    """The batch under way is lost with the process, the one behind it is not."""

    async def work(ask: Ask) -> None:
        two.hold.touch()
        two.kill(1)
        under_way, waits = (asyncio.ensure_future(ask(0)) for _ in range(2))
        while not two.instances[1].usable:
            await asyncio.sleep(0.02)  # it is started again: nothing is wrong with the model
        two.instances[0].kill()
        assert failed(await under_way).kind is Kind.UNAVAILABLE
        two.hold.unlink()
        assert pid(await waits) == two.instances[1].pid

    two.run(work)


def test_what_waits_behind_a_long_batch_comes_back_to_the_one_that_is_started_again(
    two: Two,
) -> None:
    async def work(ask: Ask) -> None:
        two.hold.touch()
        lost, held = (asyncio.ensure_future(ask(0)) for _ in range(2))
        await asyncio.sleep(0.1)  # each instance holds one: the last became busy first
        two.kill(1)
        assert failed(await lost).kind is Kind.UNAVAILABLE
        assert pid(await ask(1)) == two.instances[1].pid
        assert not held.done()
        two.hold.unlink()
        assert pid(await held) == two.instances[0].pid

    two.run(work)


def test_an_instance_that_is_there_again_runs_whatever_waits(two: Two) -> None:
    """Also what was given to the instance that is busy with a batch of its own."""

    async def work(ask: Ask) -> None:
        two.hold.touch()
        two.kill(1)
        held, behind = (asyncio.ensure_future(ask(number)) for number in (0, 1))
        for asked in (behind, ask(1), ask(1)):
            assert pid(await asked) == two.instances[1].pid
        assert not held.done()
        two.hold.unlink()
        assert pid(await held) == two.instances[0].pid

    two.run(work)


def test_without_a_healthy_one_requests_fail_at_once(two: Two) -> None:
    async def work(ask: Ask) -> None:
        two.file.write_text("import nothing_of_that_name\n")
        for index in range(2):
            two.kill(index)
        errors = [failed(await ask(1)).message for _ in range(12)]
        assert "ModuleNotFoundError" in errors[0]
        assert "tried again shortly" in errors[-1]

    two.run(work)
