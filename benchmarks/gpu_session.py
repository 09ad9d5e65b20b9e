"""The network of `serve_gpu.py`, and what a session alone makes of it."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from trtserve.backends.base import LoadRequest
from trtserve.backends.onnxruntime.backend import load
from trtserve.backends.onnxruntime.cuda_executor import CudaExecutor
from trtserve.backends.onnxruntime.executor import OnnxExecutor
from trtserve.backends.onnxruntime.options import providers, session_options
from trtserve.placement import Seat

from benchmarks.resnet import resnet
from trtbuild.cuda import DeviceMemory, Stream, lasting_context
from trtbuild.modelconfig.read import read_config

HALF = 10  # TensorProto.FLOAT16
CONFIG = """
backend: "onnxruntime"
max_batch_size: {batch}
dynamic_batching {{ }}
instance_group {{ count: {instances} }}
optimization {{ execution_accelerators {{
  gpu_execution_accelerator {{ name: "cuda" {options} }}
}} }}
"""


class Setup(argparse.Namespace):
    """The options, and what follows from them."""

    device: str
    seconds: float
    instances: list[int]
    batches: list[int]
    repository: Path | None
    provider_options: list[str]

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def model(self) -> bytes:
        return resnet() if self.on_gpu else resnet((1, 1, 1, 1), 8, 64, 10)

    def images(self, count: int) -> np.ndarray:
        size = 224 if self.on_gpu else 64
        random = np.random.default_rng(count)
        return random.standard_normal((count, 3, size, size), np.float32).astype(np.float16)

    def config(self, batch: int, instances: int) -> str:
        options = (
            f'parameters {{ key: "{key}" value: "{value}" }}'
            for key, value in (each.split("=") for each in self.provider_options)
        )
        return CONFIG.format(batch=batch, instances=instances, options=" ".join(options))


def alone_per_s(setup: Setup, folder: Path, batch: int) -> float:
    """Images per second of a session whose inputs are on the GPU."""
    request = _load_request(setup, folder, batch)
    if setup.on_gpu:
        load(request).unload()  # finds the CUDA libraries

    def session() -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(
            str(request.file), session_options(request.config),
            providers=providers(request.config, setup.device),
        )  # fmt: skip

    images = setup.images(batch)
    opened = session()
    run = _resident(opened, images) if setup.on_gpu else _on_cpu(opened, images)
    rate = batch * _rate([run], setup.seconds)
    print(f"\nbatch {batch}: the session alone, inputs on the device: {rate:8.0f} images/s")
    for count in setup.instances:
        made = [_executor(setup, session(), batch) for _ in range(count)]
        pinned = batch * _rate([_copying(each, images) for each in made], setup.seconds)
        fetched = batch * _rate([_fetching(each, images) for each in made], setup.seconds)
        print(f"  {count} instances, inputs in pinned memory: {pinned:8.0f} images/s  "
              f"{pinned / rate:4.2f}; in ordinary memory: {fetched:8.0f}  {fetched / rate:4.2f}",
              flush=True)  # fmt: skip
        for each in made:
            each.unload()
    if setup.on_gpu and batch > 8:
        _changing(setup, session, images)
    return rate


def _executor(
    setup: Setup, session: onnxruntime.InferenceSession, batch: int, *, fills: bool = True
) -> CudaExecutor | OnnxExecutor:
    if not setup.on_gpu:
        return OnnxExecutor(session)
    return CudaExecutor(session, 0, fill_up_to=batch if fills else 0)


def _changing(
    setup: Setup, session: Callable[[], onnxruntime.InferenceSession], images: np.ndarray
) -> None:
    """Print what batches of three quarters to the whole size reach, filled up and not."""
    random = np.random.default_rng(0)
    sizes = random.integers(len(images) * 3 // 4, len(images) + 1, 50).tolist()
    for fills in (False, True):
        made = _executor(setup, session(), len(images), fills=fills)
        for rows in sizes[:3]:
            made.execute({"INPUT": images[:rows]}, ["OUTPUT"])
        began = time.monotonic()
        for rows in sizes:
            made.execute({"INPUT": images[:rows]}, ["OUTPUT"])
        print(f"  batches of changing size, {'filled up' if fills else 'as they are'}: "
              f"{sum(sizes) / (time.monotonic() - began):8.0f} images/s", flush=True)  # fmt: skip
        made.unload()


def _load_request(setup: Setup, folder: Path, batch: int) -> LoadRequest:
    file, stated = folder / "model.onnx", folder / "config.pbtxt"
    file.write_bytes(setup.model)
    stated.write_text(setup.config(batch, 1))
    config = read_config(stated).message
    return LoadRequest("m", 1, folder, file, config, True, (Seat("m_0", setup.device),))


def _on_cpu(session: onnxruntime.InferenceSession, images: np.ndarray) -> Callable[[], None]:
    return lambda: session.run(None, {"INPUT": images}) and None


def _resident(session: onnxruntime.InferenceSession, images: np.ndarray) -> Callable[[], None]:
    gpu = lasting_context(0)
    memory, stream = DeviceMemory(gpu, images.nbytes), Stream(gpu)
    stream.upload(memory.address, images.view(np.uint8))
    stream.synchronize()
    binding = session.io_binding()
    binding.bind_input("INPUT", "cuda", 0, HALF, images.shape, memory.address)
    binding.bind_output("OUTPUT", "cuda", 0)
    return lambda: session.run_with_iobinding(binding)


def _copying(executor: CudaExecutor | OnnxExecutor, images: np.ndarray) -> Callable[[], None]:
    """What an instance does once its batch is joined."""
    if executor.room is not None:
        staged = executor.room(images.nbytes).view(np.float16).reshape(images.shape)
        staged[:] = images
        images = staged
    return _fetching(executor, images)


def _fetching(executor: CudaExecutor | OnnxExecutor, images: np.ndarray) -> Callable[[], None]:
    """What an instance does with a batch of one request, as it came from the network."""

    def run() -> None:
        executor.execute({"INPUT": images}, ["OUTPUT"])

    return run


def _rate(runs: list[Callable[[], None]], seconds: float) -> float:
    """Calls per second of all `runs` together, a thread each, after warming up."""
    counts = [0] * len(runs)
    for run in runs:
        for _ in range(3):
            run()
    end = time.monotonic() + seconds

    def work(index: int) -> None:
        while time.monotonic() < end:
            runs[index]()
            counts[index] += 1

    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)
