"""Loading ONNX models: sessions, instances, and what is said where that fails."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from trtserve.backends.base import Loaded, Place
from trtserve.backends.onnxruntime.backend import available_devices, load
from trtserve.batch import gather, scatter
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError
from trtserve.request import CallInput, Forms, InferRequest, InferResponse
from trtserve.schedulers.loop import Instance, Outcome
from trtserve.schedulers.policy import Batch

from tests.serve.backends.onnxruntime.onnx_models import load_request, viewed
from tests.serve.models import identity, plus, slow

IN = {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [16]}
OUT = {"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [16]}


def contract(config: Any) -> Contract:
    return Contract("m", config, {})


def request(of: Contract, values: dict[str, np.ndarray]) -> InferRequest:
    inputs = [
        CallInput(name, {"f": "FP32", "i": "INT64"}[each.dtype.kind], each.shape)
        for name, each in values.items()
    ]
    call = of.call("", inputs, [], {}, binary=True)
    return InferRequest(call, [each.tobytes() for each in values.values()], lambda *_: None, 0)


def _settle(future: asyncio.Future[Outcome], _: Instance, __: Batch, outcome: Outcome) -> None:
    future.set_result(outcome)


async def outcomes(loaded: Loaded, of: Contract, batches: list[Batch]) -> list[Outcome]:
    """Each batch on an instance of its own, all at once."""
    loop = asyncio.get_running_loop()
    instances = loaded.instances(Place(of, "1", loop))
    futures: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in batches]
    for instance, batch, future in zip(instances, batches, futures, strict=True):
        instance.start(batch, partial(_settle, future))
    try:
        return list(await asyncio.wait_for(asyncio.gather(*futures), 30))
    finally:
        for instance in instances:
            instance.close()


def floats(answer: InferResponse | ServeError) -> np.ndarray:
    assert isinstance(answer, InferResponse), answer
    return np.frombuffer(answer.outputs[0].data, np.float32).reshape(answer.outputs[0].shape)


def test_several_instances_run_at_once_on_one_session(tmp_path: Path) -> None:
    before = threading.active_count()
    asked = load_request(tmp_path, plus(1), devices=("cpu",) * 3)
    loaded = load(asked)
    assert loaded.runs_on == "onnxruntime on cpu"
    of = contract(asked.config)
    values = [np.full((2, 16), number, np.float32) for number in range(6)]
    batches = [
        Batch([request(of, {"INPUT0": each}) for each in values[number : number + 2]], 4)
        for number in (0, 2, 4)
    ]
    found = asyncio.run(outcomes(loaded, of, batches))
    for number, each in enumerate(answer for outcome in found for answer in outcome.answers):
        np.testing.assert_array_equal(floats(each), values[number] + 1)
    for thread in threading.enumerate():
        if thread.name == "m:1":
            thread.join(10)
    assert threading.active_count() <= before


def test_the_loop_turns_while_sessions_run(tmp_path: Path) -> None:
    """ONNX Runtime does without the GIL, on the instances' threads."""
    asked = load_request(tmp_path, slow(2000), devices=("cpu",) * 2)
    loaded = load(asked)
    of = contract(asked.config)
    values = np.ones((1, 16), np.float32)
    batches = [Batch([request(of, {"INPUT0": values})], 1) for _ in range(2)]

    async def turns() -> int:
        running = asyncio.ensure_future(outcomes(loaded, of, batches))
        count = 0
        while not running.done():
            await asyncio.sleep(0)
            count += 1
        assert [floats(each.answers[0]).tolist() for each in running.result()] == [[[1.0] * 16]] * 2
        return count

    assert asyncio.run(turns()) > 100


def test_one_bad_request_among_good_ones_is_answered_alone(tmp_path: Path) -> None:
    inputs = [
        {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [1, 6]},
        {"name": "SHAPE", "data_type": "TYPE_INT64", "dims": [2]},
    ]
    output = {"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [-1, -1]}
    asked = load_request(tmp_path, viewed(), input=inputs, output=[output])
    of = contract(asked.config)
    row = np.arange(6, dtype=np.float32).reshape(1, 6)
    requests = [
        request(of, {"INPUT0": row, "SHAPE": np.array(shape)}) for shape in ([2, 3], [5, 5])
    ]
    loaded = load(asked._replace(seats=asked.seats * 2))
    good, bad = asyncio.run(outcomes(loaded, of, [Batch([each], 1) for each in requests]))
    np.testing.assert_array_equal(floats(good.answers[0]), row.reshape(2, 3))
    (refused,) = bad.answers
    assert isinstance(refused, ServeError)
    assert refused.kind is Kind.INVALID_ARG
    assert "Reshape" in str(refused)


@pytest.mark.parametrize("complete", [True, False])
def test_completing_is_asked_for(tmp_path: Path, complete: bool) -> None:
    asked = load_request(tmp_path, identity(), complete=complete)
    if not complete:
        with pytest.raises(ServeError, match="the model's input 'INPUT0' is not in the config"):
            load(asked)
        return
    load(asked)
    assert asked.config.max_batch_size == 4
    assert [each.name for each in asked.config.input] == ["INPUT0"]


def test_a_config_that_does_not_fit_ends_the_load(tmp_path: Path) -> None:
    wrong = IN | {"dims": [17]}
    asked = load_request(tmp_path, identity(), max_batch_size=4, input=[wrong], output=[OUT])
    with pytest.raises(ServeError, match=r"input 'INPUT0' has the shape \[-1, 17\]"):
        load(asked)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match=r"cannot load model\.onnx: ") as caught:
        load(load_request(tmp_path, b"no model at all"))
    assert caught.value.kind is Kind.INTERNAL


def test_a_gpu_without_the_provider_for_it(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider")
    assert available_devices() == ("cpu",)
    with pytest.raises(ServeError, match=r"cuda:0 was asked for, .* install onnxruntime-gpu"):
        load(load_request(tmp_path, plus(1), devices=("cuda:0",)))


def test_unloading_instead_of_serving(tmp_path: Path) -> None:
    loaded = load(load_request(tmp_path, plus(1)))
    loaded.unload()


@pytest.mark.parametrize(("columns", "kept"), [(16, False), (300_000, True)])
def test_large_batches_are_joined_in_memory_that_is_kept(
    tmp_path: Path, columns: int, kept: bool
) -> None:
    tensors = [{**each, "dims": [columns]} for each in (IN, OUT)]
    asked = load_request(
        tmp_path, identity(dims=["batch", "columns"]), input=tensors[:1], output=tensors[1:]
    )
    asked.config.max_batch_size = 4
    loaded, of = load(asked), contract(asked.config)
    (executor,) = loaded.instances.args[0]  # type: ignore[attr-defined]  # a partial
    assert (executor.room is not None) == kept

    def joined(first: int) -> tuple[int, list[InferResponse | ServeError]]:
        values = [np.full((1, columns), first + number, np.float32) for number in range(4)]
        batch = Batch([request(of, {"INPUT0": each}) for each in values], 4)
        inputs = gather(batch, of, executor.room).inputs
        outputs = executor.execute(inputs, ["OUTPUT0"])
        return inputs["INPUT0"].ctypes.data, list(scatter(batch, outputs, of, Forms("m", "1")))

    (one, answers), (other, _) = joined(0), joined(9)
    assert one == other or not kept
    # What was answered is not in that memory.
    assert [float(floats(each)[0, -1]) for each in answers] == [0, 1, 2, 3]
