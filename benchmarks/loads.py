"""The load generators: wrk for HTTP, h2load for gRPC."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from trtserve.protocols.messages import message

from benchmarks.latencies import Latencies

# Every latency that wrk has counted, after its correction.
_REPORT = """
function done(summary, latency)
  io.write("REPORT ", summary.duration, " ", summary.requests, "\\n")
  for i = 1, #latency do
    local us, count = latency(i)
    io.write(us, " ", count, "\\n")
  end
end
"""
_NAMES = {"float16": "FP16", "float32": "FP32", "int64": "INT64"}


class Question(NamedTuple):
    """What is asked again and again: one tensor of a model for one tensor."""

    model: str
    values: np.ndarray
    input: str = "INPUT"
    output: str = "OUTPUT"

    def http(self) -> tuple[bytes, bytes]:
        """(JSON header, tensor) of the request."""
        data = self.values.tobytes()
        sizes = {"binary_data_size": len(data)}
        header = {
            "inputs": [{"name": self.input, "shape": self.values.shape,
                        "datatype": _NAMES[self.values.dtype.name], "parameters": sizes}],
            "outputs": [{"name": self.output, "parameters": {"binary_data": True}}],
        }  # fmt: skip
        return json.dumps(header, separators=(",", ":")).encode(), data

    def grpc(self) -> bytes:
        """The message of the request, framed."""
        request = message("ModelInferRequest")(model_name=self.model)
        dtype = _NAMES[self.values.dtype.name]
        request.inputs.add(name=self.input, datatype=dtype, shape=self.values.shape)
        request.raw_input_contents.append(self.values.tobytes())
        body: bytes = request.SerializeToString()
        return b"\0" + len(body).to_bytes(4, "big") + body


class Measured(NamedTuple):
    """One run of a load generator; latencies of the requests sent, unless said."""

    per_second: float
    p50_ms: float
    p99_ms: float
    p99_corrected_ms: float  # for coordinated omission: what wrk prints as its p99


def wrk(folder: Path, port: int, question: Question, clients: int, seconds: float, *,
        threads: int = 1) -> Measured:  # fmt: skip
    """POST the question from `clients` connections."""
    header, data = question.http()
    (folder / "body").write_bytes(header + data)
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{folder}/body", "rb")\n'
        'wrk.body = file:read("*a")\nwrk.headers["Content-Type"] = "application/octet-stream"\n'
        f'wrk.headers["Inference-Header-Content-Length"] = "{len(header)}"\n{_REPORT}'
    )
    out = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout=30s",
         "-s", script, f"http://127.0.0.1:{port}/v2/models/{question.model}/infer"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Non-2xx" not in out, out
    _, _, report = out.partition("REPORT ")
    (took_us, sent), *seen = ([int(each) for each in line.split()] for line in report.splitlines())
    printed = np.zeros(max(us for us, _ in seen) + 1, np.int64)
    for us, count in seen:
        printed[us] = count
    interval_us = took_us // max(1, sent // clients)
    found = Latencies(printed).as_sent(interval_us)
    assert found.counts.sum() == sent, "not wrk 4, or it counts otherwise"
    return _measured(found, sent * 1e6 / took_us, interval_us)


def _measured(found: Latencies, per_second: float, interval_us: int) -> Measured:
    corrected = found.corrected(interval_us)
    return Measured(per_second, found.percentile_ms(50), found.percentile_ms(99),
                    corrected.percentile_ms(99))  # fmt: skip


def h2load(folder: Path, port: int, question: Question, load: tuple[int, int], seconds: float, *,
           threads: int = 1) -> Measured:  # fmt: skip
    """The same over gRPC: `load` is (connections, calls at a time on each)."""
    path = "inference.GRPCInferenceService/ModelInfer"
    headers = {"content-type": "application/grpc", "te": "trailers"}
    _, took_us = _h2load(
        folder, port, path, question.grpc(), headers, seconds,
        f"-c{load[0]}", f"-m{load[1]}", f"-t{threads}",
    )  # fmt: skip
    sent = len(took_us)
    interval_us = round(seconds * 1e6) // max(1, sent // (load[0] * load[1]))
    return _measured(Latencies(np.bincount(took_us)), sent / round(seconds), interval_us)


def between_batches(
    folder: Path, port: int, question: Question, clients: int, seconds: float
) -> float:
    """Requests a second over HTTP/1.1 from the first answers to the last.

    A run of so many seconds ends amid a batch, and the clients' first requests come together: of
    slow batches that would be a good part of it.
    """
    header, data = question.http()
    headers = {"inference-header-content-length": str(len(header))}
    began_us, took_us = _h2load(
        folder, port, f"v2/models/{question.model}/infer", header + data, headers, seconds,
        "--h1", f"-c{clients}", "-m1", "-t1",
    )  # fmt: skip
    ended_us = np.sort(began_us + took_us)[clients - 1 :]
    return float((len(ended_us) - 1) / (ended_us[-1] - ended_us[0]) * 1e6)


def _h2load(
    folder: Path, port: int, path: str, body: bytes, headers: dict[str, str], seconds: float,
    *options: str,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(when it began, how long it took) of each request, microseconds; all have succeeded."""
    (folder / "body").write_bytes(body)
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    stated = [f"-H{name}: {value}" for name, value in headers.items()]
    out = subprocess.run(
        ["h2load", *options, f"-D{seconds:.0f}", "-d", folder / "body", f"--log-file={log}",
         *stated, f"http://127.0.0.1:{port}/{path}"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rows = np.loadtxt(log, np.int64, usecols=(0, 2), ndmin=2)
    assert re.search(rf"requests: .*?\b{len(rows)} succeeded, 0 failed", out), out
    return rows[:, 0], rows[:, 1]
