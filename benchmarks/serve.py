"""Serve against Triton 2.51: requests a second and latency, on the same cores in the same run.

    python -m benchmarks.serve [--seconds 3] [--rounds 3] [--only wire,echo,computing,start,soak]

Needs `wrk` and `h2load`, and for the peer a tritonserver from PyPI's nvidia-pytriton
(TRTBUILD_TRITON_PYTHON names its interpreter, default .venv-triton/bin/python). The peer is
Triton with its Python backend: both servers run the same Python identity model with dynamic
batching; `ours (ONNX Runtime)` is the same identity in ONNX Runtime, in our process. Every
server's answer is checked before it is measured. Rounds alternate; medians are printed.

wire: identity of 1x16 and of 1x3x224x224 FP32, HTTP by wrk and gRPC by h2load.
echo: our identity in ONNX Runtime against a bare uvloop and httptools server that echoes bodies.
computing: ONNX's light_resnet50 at c=16 against a bare loop over the same session.
start, soak: start to ready with three ONNX models, idle CPU, memory after a million requests.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.loads import Measured, Question, between_batches, h2load, wrk
from benchmarks.serve_servers import IMAGE, SMALL, Echo, bare_loop, write_models, write_resnet50
from benchmarks.served import Served, infer
from tests.serve.differential.triton import Triton
from tests.tritonserver import PYTHON

SOAK_SECONDS, SOAK_REQUESTS = 5, 1_000_000
PEER = "Triton (Python backend)"


def ones(model: str, dims: tuple[int, ...]) -> Question:
    return Question(model, np.ones((1, *dims), np.float32), "INPUT0", "OUTPUT0")


def check(port: int, question: Question) -> None:
    """The server answers with the very tensor it was given."""
    given, found = question.values, infer(port, question)
    assert found.shape == given.shape, f"{question.model} on {port} answers wrongly"
    assert (found == given).all(), f"{question.model} on {port} answers wrongly"


def compare(title: str, runs: dict[str, Callable[[], Measured]], rounds: int) -> None:
    """Alternate between servers, print medians and the ratios to Triton."""
    found: dict[str, list[Measured]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    medians = {
        name: Measured(*(statistics.median(column) for column in zip(*each, strict=True)))
        for name, each in found.items()
    }
    peer = medians.get(PEER)
    for name, each in medians.items():
        ratio = f"  {each.per_second / peer.per_second:5.2f}x" if peer else ""
        print(f"{title:22} {name:24} {each.per_second:9.0f}/s  p50 {each.p50_ms:7.2f} ms  "
              f"p99 {each.p99_ms:7.2f} ms, corrected {each.p99_corrected_ms:7.2f} ms{ratio}",
              flush=True)  # fmt: skip


def wire(folder: Path, seconds: int, rounds: int) -> None:
    write_models(folder / "ours", with_onnx=True)
    write_models(folder / "theirs", with_onnx=False)
    (folder / "triton").mkdir()
    ours = Served(str(folder / "ours"))
    servers: dict[str, tuple[Served | Triton, str]] = {}
    if PYTHON.exists():
        servers[PEER] = (Triton(folder / "theirs", folder / "triton"), "")
    else:
        print("no tritonserver here: ours alone, no ratios")
    servers["ours (Python backend)"] = (ours, "")
    servers["ours (ONNX Runtime)"] = (ours, "_onnx")
    try:
        for model, dims in (("small", SMALL), ("image", IMAGE)):
            for server, suffix in servers.values():
                check(server.http_port, ones(model + suffix, dims))
            over_both(folder, servers, model, dims, seconds, rounds)
    finally:
        for server in {id(each): each for each, _ in servers.values()}.values():
            server.stop()


def over_both(
    folder: Path, servers: dict[str, tuple[Served | Triton, str]], model: str,
    dims: tuple[int, ...], seconds: int, rounds: int,
) -> None:  # fmt: skip
    small = model == "small"
    questions = {name: ones(model + suffix, dims) for name, (_, suffix) in servers.items()}
    for clients in (1, 16, 64) if small else (1, 4):
        compare(f"{model} HTTP c={clients}", {
            name: partial(wrk, folder, server.http_port, questions[name], clients, seconds)
            for name, (server, _) in servers.items()
        }, rounds)  # fmt: skip
    for load in ((1, 1), (1, 16), (4, 16)) if small else ((1, 1), (1, 4)):
        compare(f"{model} gRPC {load[0]}x{load[1]}", {
            name: partial(h2load, folder, server.grpc_port, questions[name], load, seconds)
            for name, (server, _) in servers.items()
        }, rounds)  # fmt: skip


def echo(folder: Path, seconds: int, rounds: int) -> None:
    write_models(folder / "echoed", with_onnx=True)
    ours, bare = Served(str(folder / "echoed")), Echo()
    try:
        question = ones("small_onnx", SMALL)
        check(ours.http_port, question)
        for clients in (1, 16, 64):
            compare(f"identity HTTP c={clients}", {
                name: partial(wrk, folder, port, question, clients, seconds)
                for name, port in (("bare echo", bare.http_port),
                                   ("ours (ONNX Runtime)", ours.http_port))
            }, rounds)  # fmt: skip
    finally:
        ours.stop()
        bare.stop()


def computing(folder: Path, seconds: int, rounds: int) -> None:
    """A bare loop has the machine to itself, as has the server: they take turns."""
    for batch in (1, 8):
        repository = folder / f"computing{batch}"
        model = write_resnet50(repository, batch)
        ours = Served(str(repository))
        served: list[float] = []
        bare: list[float] = []
        image = np.ones((1, *IMAGE), np.float32)
        question = Question("resnet50", image, "gpu_0/data_0", "gpu_0/softmax_1")
        run = partial(between_batches, folder, ours.http_port, question, 16, 5 * seconds)
        try:
            run()
            for _ in range(2 * rounds):
                bare.append(bare_loop(model, batch, 3 * seconds))
                served.append(run())
        finally:
            ours.stop()
        for name, pick in (("medians", statistics.median), ("the best", max)):
            print(f"light_resnet50, batch {batch}, {name}: bare loop {pick(bare):.1f}/s, served "
                  f"at c=16 {pick(served):.1f}/s, {pick(served) / pick(bare):.3f} of it",
                  flush=True)  # fmt: skip


def start(folder: Path, _seconds: int, rounds: int) -> None:
    repository = folder / "start"
    write_models(folder / "start_all", with_onnx=True)
    for number in range(3):
        shutil.copytree(folder / "start_all/small_onnx", repository / f"identity{number}")
    times = []
    for _ in range(rounds):
        ours = Served(str(repository))
        times.append(ours.start_s)
        if len(times) == rounds:
            time.sleep(1.5)
            before = sum(ours.cpu_s())
            time.sleep(5)
            print(f"idle: {sum(ours.cpu_s()) - before:.2f} s of CPU in 5 s")
        ours.stop()
    print(f"start to ready with three ONNX models: {statistics.median(times):.2f} s", flush=True)


def soak(folder: Path, _seconds: int, _rounds: int) -> None:
    write_models(folder / "soaked", with_onnx=True)
    ours = Served(str(folder / "soaked"))
    try:
        question = ones("small_onnx", SMALL)
        after = sent = int(wrk(folder, ours.http_port, question, 8, 1).per_second)
        first = rss_mb(ours)
        while sent < SOAK_REQUESTS:
            run = wrk(folder, ours.http_port, question, 64, SOAK_SECONDS)
            sent += int(run.per_second * SOAK_SECONDS)
        grown = rss_mb(ours) - first
        print(f"{sent} requests: {rss_mb(ours):.1f} MB, {grown:+.1f} MB since the first {after}")
    finally:
        ours.stop()


def rss_mb(server: Served) -> float:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


PARTS: dict[str, Callable[[Path, int, int], None]] = {
    "wire": wire, "echo": echo, "computing": computing, "start": start, "soak": soak,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, clients on them too")
    folder = Path(tempfile.mkdtemp())
    try:
        for name in options.only.split(","):
            PARTS[name](folder, options.seconds, options.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
