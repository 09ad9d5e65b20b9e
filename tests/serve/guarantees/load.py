"""Constant load on one model over both protocols, and what became of every request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import grpc
from trtserve.protocols.messages import message

from tests.serve.clients.served import Served
from tests.serve.gated import until

_HTTP = json.dumps(
    {"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.0] * 16}]}
)
_THREADS = 2  # of each protocol


def _over_http(
    served: Served, model: str, version: str
) -> tuple[Callable[[], float], Callable[[], None]]:
    path = f"/v2/models/{model}{f'/versions/{version}' if version else ''}/infer"
    connection = HTTPConnection(served.http, timeout=60)

    def ask() -> float:
        connection.request("POST", path, _HTTP)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body)
        return float(json.loads(body)["outputs"][0]["data"][0])

    return ask, connection.close


def _over_grpc(
    served: Served, model: str, version: str
) -> tuple[Callable[[], float], Callable[[], None]]:
    channel = grpc.insecure_channel(served.grpc)
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    request = message("ModelInferRequest")(model_name=model, model_version=version)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16)).contents.fp32_contents.extend(
        [0.0] * 16
    )
    data = request.SerializeToString()

    def ask() -> float:
        response: Any = message("ModelInferResponse").FromString(infer(data, timeout=60))
        return float(memoryview(response.raw_output_contents[0]).cast("f")[0])

    return ask, channel.close


class Load:
    """Threads that ask what model `plus(value)` adds, until the context ends."""

    def __init__(self, served: Served, model: str, version: str = "") -> None:
        self.answers: list[float] = []
        self.errors: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=over(served, model, version))
            for over in (_over_http, _over_grpc) * _THREADS
        ]

    def _run(self, ask: Callable[[], float], close: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(ask())
            except BaseException as error:  # the test reports it
                self.errors.append(error)
                break
        close()

    def until_answered(self, value: float) -> None:
        """Wait until a request that begins now is answered by `plus(value)`, and only by it."""

        def all_new() -> bool:
            start = len(self.answers)
            until(lambda: len(self.answers) >= start + 40 or bool(self.errors))
            return set(self.answers[start + 20 :]) == {value} or bool(self.errors)

        until(all_new)
        assert self.errors == []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
