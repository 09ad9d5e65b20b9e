"""Serve against Triton 2.51: requests a second and latency, on the same cores in the same run.

    python benchmarks/serve.py [--seconds 3] [--rounds 3]

Needs `wrk` and `h2load`, and for the peer a tritonserver from PyPI's nvidia-pytriton
(TRTBUILD_TRITON_PYTHON names its interpreter, default .venv-triton/bin/python). The peer is
Triton with its Python backend: both servers run the same Python identity model with dynamic
batching; `ours onnx` is the same identity in ONNX Runtime, in our process. Every server's answer
is checked before it is measured. Rounds alternate between servers; medians are printed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from trtserve.protocols.messages import message  # noqa: E402

from tests.serve.differential.triton import PYTHON, Triton  # noqa: E402  # after the path is set

MODEL = """import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor(
                "OUTPUT0", pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy())])
            for request in requests
        ]
"""
SMALL, IMAGE = (16,), (3, 224, 224)


class Measured(NamedTuple):
    """One run of a load generator."""

    per_second: float
    p50_ms: float
    p99_ms: float


def config(backend: str, dims: tuple[int, ...]) -> str:
    tensor = f"data_type: TYPE_FP32 dims: {list(dims)}"
    return (
        f'backend: "{backend}"\nmax_batch_size: 64\ninput {{ name: "INPUT0" {tensor} }}\n'
        f'output {{ name: "OUTPUT0" {tensor} }}\ndynamic_batching {{}}\n'
    )


def write_models(repository: Path, *, with_onnx: bool) -> None:
    for name, dims in (("small", SMALL), ("image", IMAGE)):
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "1/model.py").write_text(MODEL)
        (repository / name / "config.pbtxt").write_text(config("python", dims))
        if with_onnx:
            (repository / f"{name}_onnx/1").mkdir(parents=True)
            (repository / f"{name}_onnx/1/model.onnx").write_bytes(identity(dims))
            (repository / f"{name}_onnx/config.pbtxt").write_text(config("onnxruntime", dims))


def identity(dims: tuple[int, ...]) -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *dims])
              for name in ("INPUT0", "OUTPUT0")]  # fmt: skip
    node = helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])
    graph = helper.make_graph([node], "identity", values[:1], values[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


class Ours:
    """`trtbuild serve` as a process of its own."""

    def __init__(self, repository: Path) -> None:
        code = ("import typer; from trtbuild.cli import serve; app = typer.Typer(); "
                "app.command()(serve.command); app()")  # fmt: skip
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(repository), "--http-port=0", "--grpc-port=0",
             "--metrics-port=-1"], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ports = {}
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if match := re.search(r" (http|grpc) on 127.0.0.1:(\d+)", line):
                ports[match[1]] = int(match[2])
            if len(ports) == 2:
                break
        self.start_s = time.monotonic() - began
        self.http_port, self.grpc_port = ports["http"], ports["grpc"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def http_body(dims: tuple[int, ...]) -> tuple[bytes, bytes]:
    """(JSON header, tensor) of one request."""
    data = np.ones((1, *dims), np.float32).tobytes()
    shape = ",".join(map(str, (1, *dims)))
    header = (
        f'{{"inputs":[{{"name":"INPUT0","shape":[{shape}],"datatype":"FP32","parameters":'
        f'{{"binary_data_size":{len(data)}}}}}],"outputs":[{{"name":"OUTPUT0","parameters":'
        '{"binary_data":true}}]}'
    )
    return header.encode(), data


def check(port: int, model: str, dims: tuple[int, ...]) -> None:
    """The server answers with the very tensor it was given."""
    header, data = http_body(dims)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/{model}/infer", header + data,
        {"Inference-Header-Content-Length": str(len(header))},
    )  # fmt: skip
    with urllib.request.urlopen(request) as response:
        assert response.read().endswith(data), f"{model} on {port} answers wrongly"


def wrk(folder: Path, port: int, model: str, dims: tuple[int, ...], clients: int, seconds: int,
        ) -> Measured:  # fmt: skip
    header, data = http_body(dims)
    (folder / "body").write_bytes(header + data)
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{folder}/body", "rb")\n'
        'wrk.body = file:read("*a")\nwrk.headers["Content-Type"] = "application/octet-stream"\n'
        f'wrk.headers["Inference-Header-Content-Length"] = "{len(header)}"\n'
    )
    out = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script,
         f"http://127.0.0.1:{port}/v2/models/{model}/infer"],
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


def h2load(folder: Path, port: int, model: str, dims: tuple[int, ...], load: tuple[int, int],
           seconds: int) -> Measured:  # fmt: skip
    request = message("ModelInferRequest")(model_name=model)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, *dims))
    request.raw_input_contents.append(np.ones((1, *dims), np.float32).tobytes())
    body = request.SerializeToString()
    (folder / "message").write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    out = subprocess.run(
        ["h2load", f"-c{load[0]}", f"-m{load[1]}", "-t1", f"-D{seconds}", "-d", folder / "message",
         f"--log-file={log}", "-H", "content-type: application/grpc", "-H", "te: trailers",
         f"http://127.0.0.1:{port}/inference.GRPCInferenceService/ModelInfer"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    done = re.search(r"requests: .*?(\d+) succeeded, 0 failed", out)
    assert done is not None, out
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    rate = int(done[1]) / seconds
    return Measured(rate, times[len(times) // 2] / 1000, times[len(times) * 99 // 100] / 1000)


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
    peer = medians.get("Triton (Python backend)")
    for name, each in medians.items():
        ratio = f"  {each.per_second / peer.per_second:5.2f}x" if peer else ""
        print(f"{title:22} {name:24} {each.per_second:9.0f}/s  p50 {each.p50_ms:7.2f} ms  "
              f"p99 {each.p99_ms:7.2f} ms{ratio}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    write_models(folder / "ours", with_onnx=True)
    write_models(folder / "theirs", with_onnx=False)
    (folder / "triton").mkdir()
    ours = Ours(folder / "ours")
    servers: dict[str, tuple[Ours | Triton, str]] = {}
    if PYTHON.exists():
        servers["Triton (Python backend)"] = (Triton(folder / "theirs", folder / "triton"), "")
    else:
        print("no tritonserver here: ours alone, no ratios")
    servers["ours (Python backend)"] = (ours, "")
    servers["ours (ONNX Runtime)"] = (ours, "_onnx")
    print(f"{os.cpu_count()} cores, clients on them too; our start to ready {ours.start_s:.2f} s")
    try:
        measure(folder, servers, options.seconds, options.rounds)
    finally:
        for server in {id(each): each for each, _ in servers.values()}.values():
            server.stop()
        shutil.rmtree(folder)


def measure(folder: Path, servers: dict[str, tuple[Ours | Triton, str]], seconds: int,
            rounds: int) -> None:  # fmt: skip
    for model, dims in (("small", SMALL), ("image", IMAGE)):
        for server, suffix in servers.values():
            check(server.http_port, model + suffix, dims)

        def over_http(clients: int, model: str = model, dims: tuple[int, ...] = dims) -> None:
            compare(f"{model} HTTP c={clients}", {
                name: partial(wrk, folder, server.http_port, model + suffix, dims, clients, seconds)
                for name, (server, suffix) in servers.items()
            }, rounds)  # fmt: skip

        def over_grpc(load: tuple[int, int], model: str = model,
                      dims: tuple[int, ...] = dims) -> None:  # fmt: skip
            compare(f"{model} gRPC {load[0]}x{load[1]}", {
                name: partial(h2load, folder, server.grpc_port, model + suffix, dims, load, seconds)
                for name, (server, suffix) in servers.items()
            }, rounds)  # fmt: skip

        small = model == "small"
        for clients in (1, 16, 64) if small else (1, 4):
            over_http(clients)
        for load in ((1, 1), (1, 16), (4, 16)) if small else ((1, 1), (1, 4)):
            over_grpc(load)


if __name__ == "__main__":
    main()
