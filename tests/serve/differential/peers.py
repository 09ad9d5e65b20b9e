"""Both servers over one repository, and their answers in one form."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from tests.serve.differential.corpus import MODELS
from tests.serve.differential.triton import Triton
from tests.serve.models import put_python

SERVICE = "/inference.GRPCInferenceService/"
# The utils first: they choose the NumPy that Triton's stub can read (see triton.py).
MODEL = """
import triton_python_backend_utils as pb_utils
import numpy as np


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array(
                pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()))])
            for request in requests
        ]
"""
LABELS = "zero\none\ntwo words\n"


def fill(repository: Path) -> None:
    """Write the identity models of `MODELS`."""
    for name, (dtype, dims, batch) in MODELS.items():
        kind = "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"
        tensor = f"data_type: {kind} dims: {list(dims)}"
        config = (
            f'backend: "python"\nmax_batch_size: {batch}\ninput {{ name: "INPUT0" {tensor} }}\n'
            f'output {{ name: "OUTPUT0" {tensor} label_filename: "labels.txt" }}\n'
            + ("dynamic_batching {}" if batch else "")
        )
        folder = put_python(repository, name, MODEL, config)
        (folder / "labels.txt").write_text(LABELS)


class Answer(NamedTuple):
    """A status, an error's message, what was answered."""

    status: str  # 200, OK, INVALID_ARGUMENT; down: the server ended or its model's process did
    error: str = ""
    value: Any = None  # bytes of a body or of a message
    headers: Mapping[str, str] = {}  # never written

    @property
    def line(self) -> str:
        """Status and message."""
        return f"{self.status} {self.error}".strip()

    @property
    def good(self) -> bool:
        return self.status in ("200", "OK")


class Client:
    """Asks one server, over both protocols."""

    def __init__(self, http_address: str, grpc_address: str) -> None:
        self._http = http.client.HTTPConnection(http_address, timeout=5)
        self._channel = grpc.insecure_channel(grpc_address)
        self._methods: dict[str, Callable[..., bytes]] = {}

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An HTTP request."""
        try:
            self._http.request(method, path, body, headers or {})
            response = self._http.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._http.close()
            return Answer("down")
        found = {name.lower(): value for name, value in response.getheaders()}
        error = "" if response.status == 200 else _error(data)
        if method == "HEAD":
            error = response.reason  # there is no body to say more
        return Answer(str(response.status), error, data, found)

    def call(self, method: str, message: bytes) -> Answer:
        """A gRPC call with a message's bytes."""
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(SERVICE + method)
        try:
            return Answer("OK", "", self._methods[method](message, timeout=5))
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            return Answer("down" if code == "DEADLINE_EXCEEDED" else code, details)

    def close(self) -> None:
        """End the connections."""
        self._http.close()
        self._channel.close()


def _error(data: bytes) -> str:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, TypeError, KeyError):
        return ""


class Peer:
    """Triton, started again whenever a question has ended or stopped it."""

    def __init__(self, repository: Path, directory: Path) -> None:
        self._repository, self._directory = repository, directory
        self._starts = 0
        self._start()

    def _start(self) -> None:
        folder = self._directory / str(self._starts)
        folder.mkdir()
        self._starts += 1
        self.triton = Triton(
            self._repository, folder, "--model-control-mode=explicit", "--load-model=*"
        )
        self._client = Client(
            f"127.0.0.1:{self.triton.http_port}", f"127.0.0.1:{self.triton.grpc_port}"
        )

    def ask(self, *question: Any) -> Answer:
        """As `Client.ask`."""
        return self._answered(lambda: self._client.ask(*question))

    def call(self, method: str, message: bytes) -> Answer:
        """As `Client.call`."""
        return self._answered(lambda: self._client.call(method, message))

    def _answered(self, ask: Callable[[], Answer]) -> Answer:
        """The answer; "down" is one only if a new server has it too: an earlier question may end
        a server late."""
        for _ in range(2):
            answer = ask()
            if not self._ended(answer):
                return answer
            self.stop()
            self._start()
        return Answer("down")

    def _ended(self, answer: Answer) -> bool:
        """Whether the server ended or hangs; what gRPC says of a lost connection varies."""
        if answer.status == "down" or "is not healthy" in answer.error:
            return True
        if answer.status != "UNAVAILABLE":
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.triton.process.wait(0.5)  # the connection goes before the process
        return self.triton.process.poll() is not None

    def stop(self) -> None:
        """End it."""
        self._client.close()
        self.triton.kill()
