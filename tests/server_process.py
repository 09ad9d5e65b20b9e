"""`trtbuild serve` as a process of its own, asked over HTTP: what it loads stays in it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


@contextlib.contextmanager
def served(repo: Path, *options: str) -> Iterator[Callable[[str, Arrays], Arrays]]:
    """A server of `repo` that falls back on nothing; the block gets `ask(model, inputs)`, fp32."""
    port = _free_port()
    command = [
        sys.executable, "-m", "trtbuild", "serve", str(repo), "--http-port", str(port),
        "--grpc-port", "-1", "--metrics-port", "-1", "--fallback", "none", *options,
    ]  # fmt: skip
    with subprocess.Popen(command) as server:
        try:
            _wait_until_ready(server, port)
            yield lambda model, inputs: _asked(port, model, inputs)
        finally:
            server.terminate()


def _asked(port: int, model: str, inputs: Arrays) -> Arrays:
    tensors = [
        {"name": name, "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
        for name, x in inputs.items()
    ]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/{model}/infer", json.dumps({"inputs": tensors}).encode()
    )
    with urllib.request.urlopen(request) as response:
        outputs = json.load(response)["outputs"]
    return {
        output["name"]: np.array(output["data"], np.float32).reshape(output["shape"])
        for output in outputs
    }


def _wait_until_ready(server: subprocess.Popen[Any], port: int) -> None:
    while True:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
