"""Plans of data-centre TensorRT: the engine alone, `trtbuild serve`, and Triton, in one run.

    python -m benchmarks.serve_tensorrt --repository DIR [--models encoder] [--loads http:64 ...]
        [--triton HTTP_PORT:GRPC_PORT] [--rounds 3] [--seconds 2] [--bare-seconds 1] [--short]
        [--own-clients] [--build-only]

Builds what DIR lacks of the models (plans and timing caches stay in TRTBUILD_CACHE_DIR), measures
the bare engine, then each load on each server in turn, `--rounds` times, and prints medians as
they come. perf_analyzer makes the load where it is found (its average must settle) and
`--own-clients` is not given; else `benchmarks.clients`. Triton, started on DIR by whoever wants it
beside, is only asked. All loads of the three models, three rounds beside Triton, take 10 minutes;
`--short`, one round of a second for the loads of the published table, 100 s.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.bare_engine import bare_per_s
from benchmarks.clients import Rate, grpc, http
from benchmarks.loads import Question
from benchmarks.nets import TOKENS, encoder, perceptron
from benchmarks.resnet import resnet
from benchmarks.served import Served, Watch, Watched

_RUNS = 8  # windows until perf_analyzer gives up
_STABLE_PERCENT = 25  # of the average latency, in three windows of half the seconds in a row


class Model(NamedTuple):
    """A model of the table."""

    make: Callable[[], bytes]
    options: Sequence[str]  # of convert
    largest: int
    values: np.ndarray  # of one request
    loads: Sequence[str]  # of the published table


MODELS = {
    "perceptron": Model(perceptron, [], 64, np.ones((1, 16), np.float32),
                        ["http:1", "http:16", "http:64", "grpc:1", "grpc:16", "grpc:64"]),
    "encoder": Model(encoder, ["--precision=fp16"], 64, np.ones((1, TOKENS), np.int64),
                     ["http:1", "http:64", "http:256", "grpc:1", "grpc:64", "grpc:256"]),
    "resnet": Model(resnet, [], 128, np.ones((1, 3, 224, 224), np.float16),
                    ["http:1", "http:64", "http:256", "grpc:1", "grpc:64", "grpc:256"]),
}  # fmt: skip
LOADS = [f"{protocol}:{clients}" for protocol in ("http", "grpc") for clients in (1, 16, 64, 256)]


class Length(NamedTuple):
    """How long everything is measured."""

    rounds: int
    seconds: float  # of a load
    bare_seconds: float  # of each number of contexts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--loads", nargs="+", metavar="PROTOCOL:CLIENTS")
    parser.add_argument("--triton", metavar="HTTP_PORT:GRPC_PORT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--bare-seconds", type=float, default=1)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--own-clients", action="store_true")
    parser.add_argument("--build-only", action="store_true")
    stated = parser.parse_args()
    length = Length(1, 1, 0.4) if stated.short else Length(
        stated.rounds, stated.seconds, stated.bare_seconds
    )  # fmt: skip
    for name in stated.models:
        build(stated.repository, name)
    if stated.build_only:
        return
    server = Served(str(stated.repository))
    try:
        for name in stated.models:
            measure(stated, name, server, length)
    finally:
        server.stop()


def build(repository: Path, name: str) -> None:
    """Convert a model, unless it is there."""
    if (repository / name).exists():
        return
    model = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(model.make())
        subprocess.run(
            [sys.executable, "-m", "trtbuild", "convert", path, "--repo", repository,
             "--runtime=tensorrt", f"--max-batch={model.largest}", *model.options, "-q"],
            check=True,
        )  # fmt: skip


def measure(stated: argparse.Namespace, name: str, server: Served, length: Length) -> None:
    """Print the rows of a model."""
    model = MODELS[name]
    question = Question(name, model.values)
    plan = next((stated.repository / name / "1").glob("*.plan"))
    ports = {"trtbuild": {"http": server.http_port, "grpc": server.grpc_port}}
    if stated.triton:
        there = stated.triton.split(":")
        ports["triton"] = dict(zip(("http", "grpc"), map(int, there), strict=True))
    bare: dict[int, float] = {}
    generator = None if stated.own_clients else shutil.which("perf_analyzer")
    for load in stated.loads or (model.loads if stated.short else LOADS):
        protocol, clients = load.split(":")[0], int(load.split(":")[1])
        batch = min(clients, model.largest)
        if batch not in bare:
            bare[batch], contexts = bare_per_s(plan, batch, length.bare_seconds)
            print(f"{name} bare, batch {batch}: {bare[batch]:.0f}/s ({contexts} contexts)",
                  flush=True)  # fmt: skip
        seen: dict[str, list[Rate]] = {each: [] for each in ports}
        watched: list[Watched] = []
        for _ in range(length.rounds):
            for who, at in ports.items():
                with Watch(server, name) as watch:
                    rate = _load(generator, protocol, at[protocol], question,
                                 (clients, length.seconds))  # fmt: skip
                if rate is not None:
                    seen[who].append(rate)
                    if who == "trtbuild":
                        watched.append(watch.result)
        print(f"{name} {load}: {_row(seen, bare[batch])}{_work(watched)}", flush=True)


def _work(watched: Sequence[Watched]) -> str:
    """What the server did in the run that made the median number of images."""
    if not watched:
        return ""
    found = sorted(watched, key=lambda each: each.images_per_s)[len(watched) // 2]
    stages = " + ".join(f"{each:.2f}" for each in found.stages_ms)
    loop, others = (each / found.images_per_s * 1e6 for each in (found.loop_cpu, found.other_cpu))
    return (
        f" | batches of {found.mean_batch:.1f}, {stages} ms to gather, run and scatter; a "
        f"request takes {loop:.0f} us of the loop's processor, {others:.0f} of others"
    )


def _row(seen: dict[str, list[Rate]], bare: float) -> str:
    """Medians and ratios."""
    medians = {
        who: statistics.median([rate.per_second for rate in rates])
        for who, rates in seen.items() if rates
    }  # fmt: skip
    parts = []
    for who, rates in seen.items():
        if not rates:
            parts.append(f"{who} did not settle")
            continue
        p99 = statistics.median([rate.p99_ms for rate in rates])
        parts.append(f"{who} {medians[who]:.0f}/s ({medians[who] / bare:.2f} of bare), "
                     f"p99 {p99:.1f} ms")  # fmt: skip
    if {"trtbuild", "triton"} <= medians.keys():
        parts.append(f"ratio {medians['trtbuild'] / medians['triton']:.2f}")
    return "; ".join(parts)


def _load(generator: str | None, protocol: str, port: int, question: Question,
          how: tuple[int, float]) -> Rate | None:  # fmt: skip
    """One run of so many clients and seconds; None: it did not settle, or no generator is there."""
    clients, seconds = how
    with tempfile.TemporaryDirectory() as folder:
        if generator:
            return _perf_analyzer(Path(folder), protocol, port, question.model, clients, seconds)
        return (http if protocol == "http" else grpc)(port, question, clients, seconds)


def _perf_analyzer(folder: Path, protocol: str, port: int, model: str, clients: int, seconds: float
                   ) -> Rate | None:  # fmt: skip
    table = folder / "table.csv"
    subprocess.run(
        ["perf_analyzer", "-m", model, "-i", protocol, "-u", f"127.0.0.1:{port}",
         f"--concurrency-range={clients}", f"-p{round(seconds * 500)}", f"-s{_STABLE_PERCENT}",
         f"-r{_RUNS}",
         "-f", table],
        check=False, capture_output=True,
    )  # fmt: skip
    if not table.exists():
        return None
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    if not rows:
        return None
    return Rate(float(rows[0]["Inferences/Second"]), float(rows[0]["p99 latency"]) / 1000)


if __name__ == "__main__":
    main()
