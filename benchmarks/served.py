"""`trtbuild serve` as a process of its own, and what it does while it is asked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.loads import Question

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_S = 180


def infer(port: int, question: Question) -> np.ndarray:
    """A server's answer over HTTP; of the data type that it was asked in."""
    header, data = question.http()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/{question.model}/infer", header + data,
        {"Inference-Header-Content-Length": str(len(header))},
    )  # fmt: skip
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        start = int(answer.headers["Inference-Header-Content-Length"])
    shape: list[int] = json.loads(body[:start])["outputs"][0]["shape"]
    return np.frombuffer(body[start:], question.values.dtype).reshape(shape)


class Served:
    """`trtbuild serve REPO...`; `log` has the lines that it wrote, `start_s` how long it took."""

    def __init__(self, *arguments: str) -> None:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trtbuild", "serve", *arguments, "--http-port=0",
             "--grpc-port=0", "--metrics-port=0"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.log: list[str] = []
        self.ports: dict[str, int] = {}
        self._up = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._up.wait(_START_S) or len(self.ports) < 3:
            self.process.kill()
            raise SystemExit("the server did not start:\n" + "\n".join(self.log))
        self.start_s = time.monotonic() - began
        self.http_port, self.grpc_port = self.ports["http"], self.ports["grpc"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if match := re.search(r" (http|grpc|metrics) on [\d.]+:(\d+)", line):
                self.ports[match[1]] = int(match[2])
            if len(self.ports) == 3:
                self._up.set()
        self._up.set()

    def get(self, path: str, protocol: str = "http") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[protocol]}{path}") as answer:
            return str(answer.read().decode())

    def statistics(self, model: str) -> Any:
        return json.loads(self.get(f"/v2/models/{model}/stats"))["model_stats"][0]

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds of the event loop's thread, and of all others."""
        seconds = {
            int(task.name): sum(map(int, (task / "stat").read_text().rsplit(")", 1)[1].split()
                                    [11:13])) / _TICKS_PER_S
            for task in Path(f"/proc/{self.process.pid}/task").iterdir()
        }  # fmt: skip
        loop = seconds.pop(self.process.pid)
        return loop, sum(seconds.values())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


class Watched(NamedTuple):
    """What the server did meanwhile."""

    images_per_s: float
    mean_batch: float
    stages_ms: tuple[float, ...]  # a batch: gather, run (copies included), scatter
    loop_cpu: float  # share of one core
    other_cpu: float


_STAGES = ("compute_input", "compute_infer", "compute_output")


class Watch:
    """Statistics and CPU time of a server over a `with` block."""

    def __init__(self, server: Served, model: str) -> None:
        self._server, self._model = server, model
        self.result: Watched

    def __enter__(self) -> Watch:
        self._before = self._read()
        return self

    def _read(self) -> tuple[float, Sequence[float]]:
        stats = self._server.statistics(self._model)
        # Durations count once a request; a batch's own are in batch_stats.
        batches = stats["batch_stats"]
        stages = [sum(row[name]["ns"] for row in batches) / 1e6 for name in _STAGES]
        counts = [stats["inference_count"], stats["execution_count"]]
        return time.monotonic(), [*counts, *self._server.cpu_s(), *stages]

    def __exit__(self, *_: object) -> None:
        began, before = self._before
        now, after = self._read()
        images, batches, loop, others, *stages = np.subtract(after, before).tolist()
        seconds = now - began
        self.result = Watched(
            images / seconds, images / max(1, batches),
            tuple(each / max(1, batches) for each in stages), loop / seconds, others / seconds,
        )  # fmt: skip
