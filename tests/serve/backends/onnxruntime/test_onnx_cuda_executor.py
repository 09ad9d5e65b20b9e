"""The same on a GPU: every type and shape there and back, memory reused, several instances."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trtserve.backends.onnxruntime.backend import available_devices, load
from trtserve.backends.onnxruntime.cuda_executor import CudaExecutor
from trtserve.backends.onnxruntime.executor import OnnxExecutor
from trtserve.backends.onnxruntime.sizes import BatchSizes
from trtserve.errors import Kind, ServeError

from benchmarks.resnet import resnet
from tests.serve.backends.onnxruntime.onnx_models import (
    DTYPES,
    load_request,
    nonzero,
    picked,
    reshaping,
    session,
    values_of,
    viewed,
)
from tests.serve.models import add_sub, plus
from trtbuild.device import gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (gpus().gpus and "cuda" in available_devices()),
        reason="needs a GPU and ONNX Runtime's CUDA provider",
    ),
]
PROVIDERS = [("CUDAExecutionProvider", {"device_id": "0"}), "CPUExecutionProvider"]


@pytest.fixture(scope="module", autouse=True)
def libraries(tmp_path_factory: pytest.TempPathFactory) -> None:
    # As a server does: loading a model is what finds the CUDA libraries.
    load(load_request(tmp_path_factory.mktemp("m"), plus(1), devices=("cuda:0",))).unload()


@pytest.fixture
def made() -> Iterator[list[CudaExecutor]]:
    executors: list[CudaExecutor] = []
    yield executors
    for executor in executors:
        executor.unload()


def executor(made: list[CudaExecutor], content: bytes) -> CudaExecutor:
    opened = session(content, PROVIDERS)
    assert opened.get_providers()[0] == "CUDAExecutionProvider"
    made.append(CudaExecutor(opened, 0))
    return made[-1]


def test_text_runs_too(tmp_path: Path) -> None:
    asked = load_request(tmp_path, reshaping(DTYPES["BYTES"][0]), devices=("cuda:0",))
    loaded = load(asked)
    loaded.unload()
    on_gpu = OnnxExecutor(session(reshaping(DTYPES["BYTES"][0]), PROVIDERS))
    values = values_of("BYTES", (3, 5))
    found = on_gpu.execute({"INPUT0": values}, ["OUTPUT0"])["OUTPUT0"]
    assert [text.encode() for text in found.ravel()] == list(values.T.ravel())


@pytest.mark.parametrize("dtype", [each for each in DTYPES if each != "BYTES"])
def test_every_data_type(made: list[CudaExecutor], dtype: str) -> None:
    on_gpu = executor(made, reshaping(DTYPES[dtype][0]))
    for shape in ((3, 5), (1, 1), (0, 4), (300, 700)):
        values = values_of(dtype, shape)
        found = on_gpu.execute({"INPUT0": values}, ["OUTPUT0"])["OUTPUT0"]
        assert found.shape == shape[::-1]
        np.testing.assert_array_equal(found, values.T)


def test_a_shape_that_data_decides(made: list[CudaExecutor]) -> None:
    on_gpu = executor(made, nonzero())
    for density in (0.0, 0.5, 1.0):
        values = (np.random.default_rng(1).random((40, 50)) < density).astype(np.float32)
        found = on_gpu.execute({"INPUT0": values}, ["OUTPUT0"])["OUTPUT0"]
        np.testing.assert_array_equal(found, np.stack(values.nonzero()))


def test_an_input_that_the_cpu_needs(made: list[CudaExecutor]) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = executor(made, viewed()).execute(
        {"INPUT0": values, "SHAPE": np.array([6, 2])}, ["OUTPUT0"]
    )["OUTPUT0"]
    np.testing.assert_array_equal(found, values.reshape(6, 2))


def test_scalars_are_one_element_outside_and_none_inside(made: list[CudaExecutor]) -> None:
    values = values_of("FP32", (4,))
    found = executor(made, picked()).execute(
        {"INPUT0": values, "INDEX": np.array([2])}, ["OUTPUT0"]
    )["OUTPUT0"]
    np.testing.assert_array_equal(found, values[2:3])
    assert found.shape == (1,)


def test_staged_and_other_memory_and_answers_that_are_kept(made: list[CudaExecutor]) -> None:
    on_gpu = executor(made, plus(1))
    kept = []
    for number in range(20):
        values = on_gpu.room(2 * 16 * 4).view(np.float32).reshape(2, 16)
        values[:] = number
        kept.append(on_gpu.execute({"INPUT0": values}, ["OUTPUT0"])["OUTPUT0"])
        values[:] = -1
    everything = np.stack(kept)
    np.testing.assert_array_equal(everything[:, 0, 0], np.arange(20) + 1.0)
    strided = np.ones((4, 32), np.float32)[:, ::2]
    found = on_gpu.execute({"INPUT0": strided}, ["OUTPUT0"])["OUTPUT0"]
    np.testing.assert_array_equal(found, np.full((4, 16), 2, np.float32))


def test_instances_that_share_a_session_do_not_mix_batches(made: list[CudaExecutor]) -> None:
    first = executor(made, add_sub())
    made.append(CudaExecutor(first._session, 0))
    wrong: list[int] = []

    def work(on_gpu: CudaExecutor, seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(200):
            a, b = random.integers(-99, 99, (2, random.integers(1, 600), 16), np.int32)
            found = on_gpu.execute({"INPUT0": a, "INPUT1": b}, ["OUTPUT1", "OUTPUT0"])
            if not ((found["OUTPUT0"] == a + b).all() and (found["OUTPUT1"] == a - b).all()):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(each, n)) for n, each in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class AlwaysFull(BatchSizes):
    """Fills every batch up."""

    def choose(self, rows: int) -> int:
        return max(rows, 64)


@pytest.mark.parametrize("rows", [1, 5, 33, 63, 64, 70])
def test_rows_that_are_added_are_not_answered(made: list[CudaExecutor], rows: int) -> None:
    made.append(CudaExecutor(session(add_sub(), PROVIDERS), 0, fill_up_to=64))
    made[-1]._inner, made[-1]._sizes = [(16,), (16,)], AlwaysFull(64)
    a, b = np.random.default_rng(rows).integers(-99, 99, (2, rows, 16), np.int32)
    found = made[-1].execute({"INPUT0": a, "INPUT1": b}, ["OUTPUT0", "OUTPUT1"])
    np.testing.assert_array_equal(found["OUTPUT0"], a + b)
    np.testing.assert_array_equal(found["OUTPUT1"], a - b)


def test_batches_of_all_sizes_through_a_convolution(made: list[CudaExecutor]) -> None:
    content = resnet((1, 1), 8, 32, 10)
    made.append(CudaExecutor(session(content, PROVIDERS), 0, fill_up_to=32))
    on_cpu = session(content)
    random = np.random.default_rng(0)
    for rows in (4, 4, 3, 32, 32, 9, 1, 17, 31, 2, 2, 2, 2, 30):
        images = random.standard_normal((rows, 3, 32, 32), np.float32).astype(np.float16)
        found = made[-1].execute({"INPUT": images}, ["OUTPUT"])["OUTPUT"]
        expected = on_cpu.run(None, {"INPUT": images})[0]
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02)


def test_what_the_graph_refuses_is_the_requests_fault(made: list[CudaExecutor]) -> None:
    on_gpu = executor(made, viewed())
    good = {"INPUT0": np.ones((2, 3), np.float32), "SHAPE": np.array([3, 2])}
    with pytest.raises(ServeError, match="onnx runtime error") as caught:
        on_gpu.execute(good | {"SHAPE": np.array([4, 4])}, ["OUTPUT0"])
    assert caught.value.kind is Kind.INVALID_ARG
    assert on_gpu.execute(good, ["OUTPUT0"])["OUTPUT0"].shape == (3, 2)


def test_more_memory_than_there_is_is_not(tmp_path: Path, made: list[CudaExecutor]) -> None:
    # 128 MB are allowed, 512 MB are asked for.
    limit = {"gpu_mem_limit": {"string_value": str(128 << 20)}}
    asked = load_request(tmp_path, plus(1), devices=("cuda:0",), parameters=limit)
    load(asked).unload()
    opened = session(plus(1), [("CUDAExecutionProvider", {"gpu_mem_limit": str(128 << 20)})])
    made.append(CudaExecutor(opened, 0))
    with pytest.raises(ServeError) as caught:
        made[-1].execute({"INPUT0": np.ones((8 << 20, 16), np.float32)}, ["OUTPUT0"])
    assert caught.value.kind is Kind.INTERNAL
