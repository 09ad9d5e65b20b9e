"""Plans of data-centre TensorRT on this machine's GPU: two batches in flight, graphs, profiles."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trtserve.backends import thread
from trtserve.backends.base import Place
from trtserve.backends.tensorrt import bound
from trtserve.backends.tensorrt.engine import Engine, open_engine
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.backends.tensorrt.graphs import Graph
from trtserve.backends.tensorrt.options import Options
from trtserve.contract import Contract
from trtserve.errors import ServeError
from trtserve.request import CallInput, InferRequest, InferResponse
from trtserve.schedulers.dynamic import DynamicScheduler, Policy
from trtserve.schedulers.loop import Runner
from trtserve.statistics import ModelStatistics

from tests.serve.backends.tensorrt.checks import again, in_flight_together, run
from trtbuild.cuda import lasting_context
from trtbuild.device import gpus
from trtbuild.modelconfig.schema import new_config
from trtbuild.plan.runtimes import RuntimeInfo, installed_runtimes

WIDTH = 4096
Ranges = Sequence[tuple[int, int, int]]


@cache
def runtime() -> RuntimeInfo | None:
    devices = gpus()
    here = installed_runtimes(devices) if devices.gpus else []
    return next((each for each in here if each.name == "tensorrt"), None)


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(runtime() is None, reason="needs a GPU and the package tensorrt"),
]


def plan_of(ranges: Ranges) -> bytes:
    """y = 2 x + 1 for x [batch, WIDTH] fp32, with a profile for each range of batches."""
    here = runtime()
    assert here is not None
    trt = importlib.import_module(here.module)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    given = network.add_input("x", trt.float32, (-1, WIDTH))
    # TensorRT does not copy them until it builds.
    factor, term = np.full((1, 1), 2, np.float32), np.ones((1, 1), np.float32)
    two = network.add_constant((1, 1), factor).get_output(0)
    scaled = network.add_elementwise(given, two, trt.ElementWiseOperation.PROD).get_output(0)
    shift = network.add_constant((1, 1), term).get_output(0)
    made = network.add_elementwise(scaled, shift, trt.ElementWiseOperation.SUM).get_output(0)
    made.name = "y"
    network.mark_output(made)
    config = builder.create_builder_config()
    for batches in ranges:
        profile = builder.create_optimization_profile()
        profile.set_shape("x", *[(batch, WIDTH) for batch in batches])
        config.add_optimization_profile(profile)
    return bytes(builder.build_serialized_network(network, config))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Ranges], Engine]:
    folder: Path = tmp_path_factory.mktemp("plans")

    @cache
    def open_plan(ranges: tuple[tuple[int, int, int], ...]) -> Engine:
        here = runtime()
        assert here is not None
        lasting_context(0).use()
        path = folder / f"{len(list(folder.iterdir()))}.plan"
        path.write_bytes(plan_of(ranges))
        return open_engine(here, path, "cuda:0")

    return lambda ranges: open_plan(tuple(ranges))


def answers_of(given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    made: np.ndarray[Any, Any] = given * np.float32(2) + np.float32(1)
    return made


def batches(*rows: int, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    return [random.integers(-999, 999, (each, WIDTH)).astype(np.float32) for each in rows]


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(graphs=True),
        Options(graphs=True, spin=True, urgency=1),
        Options(pinned_inputs=False, pinned_outputs=False),
    ],
    ids=str,
)
def test_batches_in_flight_have_nothing_in_common(
    opened: Callable[[Ranges], Engine], options: Options
) -> None:
    engine = opened([(1, 4, 8), (9, 32, 64)])
    instance = TensorRtExecutor(engine, lasting_context(0), (0, 1), options)
    assert instance.depth == 3
    if options.graphs:
        instance.capture([Graph({"x": (8, WIDTH)}, 3), Graph({"x": (64, WIDTH)}, 64)])
    for turn in range(30):
        for rows in ((8, 8), (1, 64, 64), (8, 3), (64, 64, 64), (5, 9), (5, 64, 8)):
            given = batches(*rows, seed=turn)
            for got, sent in zip(in_flight_together(instance, given), given, strict=True):
                np.testing.assert_array_equal(got, answers_of(sent))
            np.testing.assert_array_equal(run(instance, given[0]), answers_of(given[0]))
    instance.unload()


@pytest.mark.parametrize("graphs", [False, True])
def test_runs_in_memory_of_their_own_give_the_same_bits(
    opened: Callable[[Ranges], Engine], graphs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More sizes than contexts, in turn, with other batches in flight before and after each."""
    monkeypatch.setattr(bound, "_CONTEXTS", 5)
    options = Options(graphs=graphs)
    instance = TensorRtExecutor(opened([(1, 4, 64)]), lasting_context(0), (0,), options)
    sizes = (1, 2, 3, 5, 8, 13, 21, 34, 55, 64)
    if graphs:
        instance.capture([Graph({"x": (rows, WIDTH)}, rows) for rows in sizes[:7]])
    assert instance.bind is not None
    runs = {}
    for rows in sizes:
        (like,) = batches(rows)
        runs[rows] = instance.bind({"x": like}, {"y": like})
    for turn in range(20):
        for rows in (*sizes, *sizes[::-1]):
            (given,) = batches(rows, seed=turn)
            np.testing.assert_array_equal(again(runs[rows], given), answers_of(given))
            np.testing.assert_array_equal(run(instance, given + 1), answers_of(given + 1))
    instance.unload()


def test_every_request_has_its_own_answer(opened: Callable[[Ranges], Engine]) -> None:
    tensor = {"data_type": "TYPE_FP32", "dims": [WIDTH]}
    config = new_config(name="m", max_batch_size=8, input=[tensor | {"name": "x"}],
                        output=[tensor | {"name": "y"}])  # fmt: skip
    model = Contract("m", config, {})
    call = model.call("", [CallInput("x", "FP32", (1, WIDTH))], [], {}, binary=True)
    executors = [
        TensorRtExecutor(opened([(1, 4, 8)]), lasting_context(0), (0,), Options()) for _ in range(2)
    ]
    heard: dict[int, InferResponse | ServeError] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        instances = thread.instances(executors, Place(model, "1", loop))
        runner = Runner(DynamicScheduler(Policy(8)), instances, ModelStatistics(), loop, 10**6)
        for number in range(2000):
            data = np.full((1, WIDTH), number, np.float32).tobytes()
            reply = lambda _, answer, number=number: heard.update({number: answer})  # noqa: E731
            runner.submit(InferRequest(call, [data], reply, time.monotonic_ns()))
            if not number % 3:
                await asyncio.sleep(0)
        await runner.drain()
        runner.close()

    asyncio.run(main())
    assert len(heard) == 2000
    for number, answer in heard.items():
        assert isinstance(answer, InferResponse), answer
        expected = answers_of(np.full((1, WIDTH), number, np.float32))
        assert bytes(answer.data[0]) == expected.tobytes()
