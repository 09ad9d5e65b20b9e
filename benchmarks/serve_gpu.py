"""A ResNet-50 in FP16 on a GPU: what serving it costs beside running it.

    python -m benchmarks.serve_gpu [--device cpu] [--seconds 5] [--instances 1 2] [--repository DIR]

Measures one ONNX Runtime session with I/O binding, alone (inputs on the GPU already, and with
copies from and to host memory), then `trtbuild serve` on the same model over HTTP and gRPC with
binary tensors, and prints ratios. Then serves a repository of TensorRT-RTX plans (--repository, or
one built here) on this machine's GPU and shows what it says where no plan fits.
Needs `wrk` and `h2load`; --device cpu takes a small network, to see that everything works.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import onnxruntime

from benchmarks.gpu_fallback import fallback
from benchmarks.gpu_session import Setup, alone_per_s
from benchmarks.loads import Measured, Question, h2load, wrk
from benchmarks.served import Served, Watch
from trtbuild.device import gpus

# Requests of so many images, from so many HTTP clients or gRPC connections x calls on each.
LOADS = {1: (512, (8, 64)), 8: (96, (8, 12)), 128: (8, (8, 1))}


def machine() -> str:
    """What everything was measured on."""
    found = gpus()
    cards = ", ".join(
        f"{gpu.name} ({gpu.capability}, {gpu.memory_bytes >> 30} GiB)" for gpu in found.gpus
    )
    return (
        f"{cards or 'no GPU'}; driver {found.driver or '-'}, CUDA {found.cuda or '-'}; "
        f"ONNX Runtime {onnxruntime.__version__}; Python {platform.python_version()}; "
        f"{os.cpu_count()} cores, load generators on them too"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 128])
    parser.add_argument("--provider-options", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--repository", type=Path, help="plans of TensorRT-RTX, with model.onnx")
    parser.add_argument("--only", choices=["speed", "fallback"])
    setup = parser.parse_args(namespace=Setup())
    folder = Path(tempfile.mkdtemp())
    print(machine())
    try:
        if setup.only != "fallback":
            speed(setup, folder)
        if setup.only != "speed":
            fallback(folder, setup.repository)
    finally:
        shutil.rmtree(folder)


@contextmanager
def served(setup: Setup, folder: Path, batch: int, instances: int) -> Iterator[Served]:
    repository = folder / "repository"
    shutil.rmtree(repository, ignore_errors=True)
    (repository / "resnet" / "1").mkdir(parents=True)
    (repository / "resnet" / "1" / "model.onnx").write_bytes(setup.model)
    (repository / "resnet" / "config.pbtxt").write_text(setup.config(batch, instances))
    server = Served(str(repository), f"--device={setup.device}")
    try:
        yield server
    finally:
        server.stop()


def speed(setup: Setup, folder: Path) -> None:
    """Print what the session does alone, and what is left of it behind the server."""
    for batch in setup.batches:
        alone = alone_per_s(setup, folder, batch)
        for instances in setup.instances:
            with served(setup, folder, batch, instances) as server:
                _measure(setup, folder, server, batch, instances, alone)


def _measure(setup: Setup, folder: Path, server: Served, batch: int, instances: int, alone: float
             ) -> None:  # fmt: skip
    print(f"  served, {instances} instances, batches of up to {batch}; stages of a batch in ms, "
          "CPU in cores")  # fmt: skip
    for size, (clients, calls) in LOADS.items():
        if size > batch:
            continue
        question = Question("resnet", setup.images(size))
        for protocol, run in _generators(folder, server, question, clients, calls).items():
            run(max(2, setup.seconds / 2))  # batch sizes that the GPU has not seen yet
            with Watch(server, "resnet") as watch:
                found = run(setup.seconds)
            print(_row(protocol, size, found, watch, alone), flush=True)


def _generators(folder: Path, server: Served, question: Question, clients: int,
                calls: tuple[int, int]) -> dict[str, Callable[[float], Measured]]:  # fmt: skip
    most = min(4, os.cpu_count() or 1)
    http = partial(wrk, folder, server.http_port, question, clients, threads=min(most, clients))
    grpc = partial(h2load, folder, server.grpc_port, question, calls, threads=min(most, calls[0]))
    return {"HTTP": http, "gRPC": grpc}


def _row(protocol: str, size: int, found: Measured, watch: Watch, alone: float) -> str:
    server = watch.result
    rate = found.per_second * size
    gather, run, scatter = server.stages_ms
    return (
        f"    {protocol} requests of {size:3}: {rate:8.0f} images/s  {rate / alone:4.2f}  p50 "
        f"{found.p50_ms:7.2f}  p99 {found.p99_ms:7.2f} ms | batch {server.mean_batch:5.1f}  gather "
        f"{gather:5.2f}  run {run:6.2f}  scatter {scatter:4.2f} | CPU loop {server.loop_cpu:4.2f}  "
        f"others {server.other_cpu:4.2f}"
    )


if __name__ == "__main__":
    main()
