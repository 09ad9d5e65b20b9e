"""The load generators: wrk for HTTP, h2load for gRPC."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from trtserve.protocols.messages import message

_NAMES = {"float16": "FP16", "float32": "FP32"}


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
    """One run of a load generator."""

    per_second: float
    p50_ms: float
    p99_ms: float


def wrk(folder: Path, port: int, question: Question, clients: int, seconds: float, *,
        threads: int = 1) -> Measured:  # fmt: skip
    """POST the question from `clients` connections."""
    header, data = question.http()
    (folder / "body").write_bytes(header + data)
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{folder}/body", "rb")\n'
        'wrk.body = file:read("*a")\nwrk.headers["Content-Type"] = "application/octet-stream"\n'
        f'wrk.headers["Inference-Header-Content-Length"] = "{len(header)}"\n'
    )
    out = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds:.0f}s", "--latency", "--timeout=30s",
         "-s", script, f"http://127.0.0.1:{port}/v2/models/{question.model}/infer"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Non-2xx" not in out, out
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert found is not None, out
    return Measured(float(found[1]), _wrk_ms(out, "50%"), _wrk_ms(out, "99%"))


def _wrk_ms(out: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", out)
    assert found is not None, out
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def h2load(folder: Path, port: int, question: Question, load: tuple[int, int], seconds: float, *,
           threads: int = 1) -> Measured:  # fmt: skip
    """The same over gRPC: `load` is (connections, calls at a time on each)."""
    (folder / "message").write_bytes(question.grpc())
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    out = subprocess.run(
        ["h2load", f"-c{load[0]}", f"-m{load[1]}", f"-t{threads}", f"-D{seconds:.0f}", "-d",
         folder / "message", f"--log-file={log}", "-H", "content-type: application/grpc", "-H",
         "te: trailers", f"http://127.0.0.1:{port}/inference.GRPCInferenceService/ModelInfer"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    done = re.search(r"requests: .*?(\d+) succeeded, 0 failed", out)
    assert done is not None, out
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    assert times, out
    p50, p99 = (times[len(times) * percent // 100] / 1000 for percent in (50, 99))
    return Measured(int(done[1]) / round(seconds), p50, p99)
