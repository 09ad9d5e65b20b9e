"""Batches through a real event loop, of uvloop and of asyncio, to a real process."""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from trtserve.backends.base import Place
from trtserve.backends.python.instance import PythonInstance
from trtserve.backends.python.looped import Crew, LoopInstance
from trtserve.backends.python.translation import Answer
from trtserve.request import InferRequest
from trtserve.schedulers.loop import Outcome
from trtserve.schedulers.policy import Batch

from tests.serve.backends.python.python_models import (
    IDENTITY,
    failed,
    instance,
    outputs,
    request,
)

Run = Callable[[Sequence[InferRequest]], Any]
SMALL, LARGE = np.arange(16.0), np.arange(100_000.0)
# On a negative input it writes into every socket that it finds, the server's among them.
WRITES_GARBAGE = """
def execute(self, requests):
    import gc, socket
    if requests[0].inputs()[0].as_numpy()[0] < 0:
        gc.unfreeze()
        for each in gc.get_objects():
            if isinstance(each, socket.socket):
                each.send(b"x" * 16)
    return [pb_utils.InferenceResponse([r.inputs()[0]]) for r in requests]
"""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def looped(request: pytest.FixtureRequest) -> Any:
    """`looped(instance, work)`: run the coroutine `work(run)`, where `run` runs one batch."""

    def looped(made: PythonInstance, work: Callable[[Run], Any]) -> None:
        loop = request.param()

        async def main() -> None:
            place = Place(None, "1", loop)  # type: ignore[arg-type] # no contract is looked at
            driver = LoopInstance(made, place, Crew())

            async def run(requests: Sequence[InferRequest]) -> Sequence[Answer]:
                ended: asyncio.Future[Outcome] = loop.create_future()
                driver.start(
                    Batch(list(requests), len(requests)),
                    lambda _, __, found: ended.set_result(found),
                )
                found = await asyncio.wait_for(ended, 20)
                times = (found.started_ns, found.infer_started_ns, found.infer_ended_ns,
                         found.ended_ns)  # fmt: skip
                assert list(times) == sorted(times)
                return found.answers

            await work(run)
            driver.close()

        loop.run_until_complete(main())
        loop.close()

    return looped


def test_small_and_large_batches_in_turn(looped: Any, tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        for arrays in ([SMALL], [LARGE], [SMALL] * 40, [SMALL, LARGE], [SMALL], [LARGE], [LARGE]):
            answers = await run([request(x=array) for array in arrays])
            for array, answer in zip(arrays, answers, strict=True):
                assert (outputs(answer)["x"] == array).all()

    looped(instance(tmp_path, IDENTITY), work)


def test_an_idle_instance_keeps_nothing_of_its_last_batch(looped: Any, tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        asked = request(x=np.zeros(2_500_000))  # 20 MB: a thread runs it
        tensor = np.frombuffer(asked.data[0], np.uint8).copy()
        asked.data = [tensor.data]
        left = weakref.ref(tensor)
        await run([asked])
        del asked, tensor
        for _ in range(100):
            if left() is None:
                break
            await asyncio.sleep(0.02)
        assert left() is None

    looped(instance(tmp_path, IDENTITY), work)


def test_whatever_kills_the_process_the_next_batch_runs(looped: Any, tmp_path: Path) -> None:
    made = instance(tmp_path, IDENTITY)

    async def work(run: Run) -> None:
        for array in (SMALL, LARGE):
            for pause_s in (0, 0.1):
                made.kill()
                await asyncio.sleep(pause_s)
                (answer,) = await run([request(x=array)])
                assert (outputs(answer)["x"] == array).all()

    looped(made, work)


@pytest.mark.parametrize("array", [SMALL, LARGE])
def test_a_process_that_breaks_the_channel_is_replaced(
    looped: Any, tmp_path: Path, array: np.ndarray
) -> None:
    made = instance(tmp_path, WRITES_GARBAGE)

    async def work(run: Run) -> None:
        for _ in range(2):
            (answer,) = await run([request(x=array)])
            assert (outputs(answer)["x"] == array).all()
            pid = made.pid
            errors = await run([request(x=-1 - array) for _ in range(3)])
            assert all("failed" in failed(each).message for each in errors)
        (answer,) = await run([request(x=array)])
        assert (outputs(answer)["x"] == array).all()
        assert made.pid != pid

    looped(made, work)
