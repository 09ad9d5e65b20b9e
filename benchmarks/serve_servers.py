"""The models and servers of `serve.py` beside ours: a bare echo, and a bare loop over a session."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import onnx
from onnx import TensorProto, helper

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


ECHO = """import asyncio, sys
import httptools, uvloop

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser, self.parts = transport, httptools.HttpRequestParser(self), []
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_body(self, part):
        self.parts.append(part)
    def on_message_complete(self):
        body, self.parts = b"".join(self.parts), []
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/octet-stream\\r\\n"
                             b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

uvloop.run(main())
"""


class Echo:
    """A bare uvloop and httptools server that sends each body back: the ceiling for Python."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http_port: int = probe.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, "-c", ECHO, str(self.http_port)])
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.http_port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("the echo server does not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


BARE_LOOP = """import sys, time
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name, batch, end = session.get_inputs()[0].name, int(sys.argv[2]), float(sys.argv[3])
images = np.random.default_rng(0).random((batch, 3, 224, 224), np.float32)
session.run(None, {name: images})
began, count = time.perf_counter(), 0
while time.perf_counter() - began < end:
    session.run(None, {name: images})
    count += batch
print(count / (time.perf_counter() - began))
"""


def bare_loop(model: Path, batch: int, seconds: float) -> float:
    """Images a second of a loop over a session of ONNX Runtime in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BARE_LOOP, str(model), str(batch), str(seconds)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)


def write_resnet50(repository: Path, max_batch: int) -> Path:
    """ONNX's own light_resnet50, its fixed batch of 1 made free; returns the model's file."""
    from trtbuild.onnx_model import describe
    from trtbuild.surgery.apply import operate
    from trtbuild.surgery.options import SurgeryOptions

    source = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    folder = repository / "resnet50/1"
    folder.mkdir(parents=True)
    operate(describe(source), SurgeryOptions(), folder)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    (each,), (answer,) = model.graph.input, model.graph.output
    (repository / "resnet50/config.pbtxt").write_text(
        f'backend: "onnxruntime"\nmax_batch_size: {max_batch}\n'
        f'input {{ name: "{each.name}" data_type: TYPE_FP32 dims: [3, 224, 224] }}\n'
        f'output {{ name: "{answer.name}" data_type: TYPE_FP32 dims: 1000 }}\n'
        "dynamic_batching {}\n"
    )
    return folder / "model.onnx"
