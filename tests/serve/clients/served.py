"""One `trtbuild serve` as a user starts it: a process of its own, ports of its choice."""

import re
import subprocess
import sys
import time
from pathlib import Path

from onnx import TensorProto

from tests.serve.models import CONFIG_16, add_sub, identity, put, put_python

_PORTS = re.compile(r" (http|grpc|metrics) on (127\.0\.0\.1:\d+)(?: with TLS)?\n")
DTYPES = {
    "BYTES": TensorProto.STRING,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "INT64": TensorProto.INT64,
    "UINT64": TensorProto.UINT64,
    "BOOL": TensorProto.BOOL,
}
# Says what it was told besides tensors.
TOLD = """
import json
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array([json.dumps({
            "id": request.request_id(), "timeout": request.timeout(),
            "parameters": json.loads(request.parameters())})], dtype=object))])
            for request in requests]
"""
# Waits while the file `closed` is there; the file `inside` says that a request is within.
GATE = """
import pathlib
import time
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.directory = pathlib.Path(args["model_repository"])

    def execute(self, requests):
        inside = self.directory / "inside"
        inside.touch()
        while (self.directory / "closed").exists():
            time.sleep(0.01)
        inside.unlink()
        return [pb_utils.InferenceResponse([pb_utils.Tensor(
            "OUTPUT0", pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy())])
            for request in requests]
"""
_ONE = 'input { name: "INPUT0" data_type: TYPE_INT32 dims: [1] }\n'
TOLD_CONFIG = (
    _ONE + 'backend: "python"\noutput { name: "OUTPUT0" data_type: TYPE_STRING dims: [1] }'
)
GATE_CONFIG = (
    _ONE.replace("[1]", "[-1]") + 'backend: "python"\nmax_batch_size: 1\n'
    'output { name: "OUTPUT0" data_type: TYPE_INT32 dims: [-1] }\n'
    "dynamic_batching { default_queue_policy { max_queue_size: 2 allow_timeout_override: true"
    " default_timeout_microseconds: 600000000 } }"
)


class Served:
    """A running server: its addresses (`host:port`), its repository, its log."""

    def __init__(self, repository: Path, log: Path, *options: str) -> None:
        self.repository, self.log = repository, log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trtbuild", "serve", str(repository), "--http-port=0",
                 "--grpc-port=0", "--metrics-port=0", *options],
                stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        ports = self._wait()
        self.http, self.grpc, self.metrics = ports["http"], ports["grpc"], ports["metrics"]

    def _wait(self) -> dict[str, str]:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            found = dict(_PORTS.findall(self.log.read_text()))
            if len(found) == 3:
                return found
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the server did not start: {self.log.read_text()}")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


def fill(repository: Path) -> None:
    """The models that the clients ask."""
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    put(repository, "add_sub", add_sub())
    put(repository, "image", identity(dims=["batch", 3, 224, 224]))
    labelled = CONFIG_16.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "labels.txt"')
    put(repository, "labelled", identity(), labelled)
    (repository / "labelled" / "labels.txt").write_text("zero\none\ntwo\n")
    for name, onnx_type in DTYPES.items():
        put(repository, f"of_{name}", identity(onnx_type, ["batch", "any"]))
    put_python(repository, "told", TOLD, TOLD_CONFIG)
    put_python(repository, "gate", GATE, GATE_CONFIG)
