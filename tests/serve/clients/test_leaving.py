"""Clients that leave, or set a limit: their places in the queue are free at once.

The model `gate` runs one request at a time, and waits while a file is there; two may queue.
"""

from __future__ import annotations

import asyncio
import http.client
import queue
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http_client
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from tests.serve.clients.served import Served
from tests.serve.conftest import Running
from tests.serve.gated import Asking, answer, put_gated


@pytest.fixture
def gate(served: Served) -> Iterator[Path]:
    """The file that keeps the gate closed; it is closed, and one request stands in it."""
    closed = served.repository / "gate" / "closed"
    closed.touch()
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpc_client.InferenceServerClient(served.grpc) as client:
        client.async_infer(
            "gate", [given(grpc_client, 7)], lambda result, error: answers.put((result, error))
        )
        until((closed.parent / "inside").exists)
        yield closed
        closed.unlink(missing_ok=True)
        result, error = answers.get(timeout=20)
        assert error is None
        assert result.as_numpy("OUTPUT0").tolist() == [[7]]
    until(lambda: waiting(served) == 0)


def given(module: Any, value: int) -> Any:
    made = module.InferInput("INPUT0", [1, 1], "INT32")
    made.set_data_from_numpy(np.array([[value]], np.int32))
    return made


def metric(served: Served, name: str, **labels: str) -> float:
    with urllib.request.urlopen(f"http://{served.metrics}/metrics") as response:
        text = response.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in (name, f"{name}_total") and labels.items() <= sample.labels.items()
    )


def waiting(served: Served) -> float:
    return metric(served, "nv_inference_pending_request_count", model="gate")


def cancelled(served: Served) -> float:
    return metric(served, "nv_inference_request_failure", model="gate", reason="CANCELED")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_grpc_call_that_is_cancelled(served: Served, gate: Path) -> None:
    before = cancelled(served)

    async def ask() -> None:
        async with grpc_aio.InferenceServerClient(served.grpc) as client:
            calls = [
                asyncio.create_task(client.infer("gate", [given(grpc_client, 1)])) for _ in "12"
            ]
            while await asyncio.to_thread(waiting, served) < 2:
                await asyncio.sleep(0.01)
            with pytest.raises(InferenceServerException, match="maximum queue size") as caught:
                await client.infer("gate", [given(grpc_client, 1)])
            assert "UNAVAILABLE" in caught.value.status()
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(ask())
    until(lambda: waiting(served) == 0)
    assert cancelled(served) == before + 2


def test_a_background_call_that_is_cancelled(served: Served, gate: Path) -> None:
    before = cancelled(served)
    with grpc_client.InferenceServerClient(served.grpc) as client:
        context = client.async_infer("gate", [given(grpc_client, 1)], lambda result, error: None)
        until(lambda: waiting(served) == 1)
        context.cancel()
        until(lambda: waiting(served) == 0)
    assert cancelled(served) == before + 1


def test_an_http_client_that_hangs_up(served: Served, gate: Path) -> None:
    before = cancelled(served)
    connection = http.client.HTTPConnection(served.http)
    connection.request("POST", "/v2/models/gate/infer",
                       '{"inputs": [{"name": "INPUT0", "shape": [1, 1], "datatype": "INT32", '
                       '"data": [1]}]}')  # fmt: skip
    until(lambda: waiting(served) == 1)
    connection.close()
    until(lambda: waiting(served) == 0)
    assert cancelled(served) == before + 1


def test_the_deadline_of_a_client_frees_the_place(served: Served, gate: Path) -> None:
    before = cancelled(served)
    with (
        grpc_client.InferenceServerClient(served.grpc) as client,
        pytest.raises(InferenceServerException, match="Deadline Exceeded"),
    ):
        client.infer("gate", [given(grpc_client, 1)], client_timeout=0.2)
    until(lambda: waiting(served) == 0)
    assert cancelled(served) == before + 1


def call_with_timeout(address: str, timeout: str, model: str = "gate") -> grpc.StatusCode:
    """What the server itself says: the client knows of no deadline, it only sends the header."""
    # grpcio does not let a header of that name through: so by h2, frame by frame.
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT0", datatype="INT32", shape=[1, 1])
    request.raw_input_contents.append(b"\1\0\0\0")
    body = request.SerializeToString()
    host, _, port = address.partition(":")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(1, [
        (":method", "POST"), (":scheme", "http"), (":authority", address),
        (":path", "/inference.GRPCInferenceService/ModelInfer"), ("te", "trailers"),
        ("content-type", "application/grpc"), ("grpc-timeout", timeout),
    ])  # fmt: skip
    connection.send_data(1, b"\0" + len(body).to_bytes(4, "big") + body, end_stream=True)
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        while True:
            peer.sendall(connection.data_to_send())
            for event in connection.receive_data(peer.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    headers: dict[Any, Any] = dict(event.headers or ())
                    if "grpc-status" in headers:
                        code = int(headers["grpc-status"])
                        return next(each for each in grpc.StatusCode if each.value[0] == code)


@pytest.mark.parametrize("timeout", ["100m", "100000u", "99999999n", "0S"])
def test_the_server_answers_at_the_deadline(served: Served, gate: Path, timeout: str) -> None:
    assert call_with_timeout(served.grpc, timeout) is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: waiting(served) == 0)


def test_the_order_of_answers_holds_up_no_deadline(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """The second request is through, but `preserve_ordering` holds its answer back."""
    (tmp_path / "repository").mkdir()
    ordered = "dynamic_batching { preserve_ordering: true } instance_group [{ count: 2 }]"
    gate = put_gated(tmp_path / "repository", "ordered", ordered)
    server = start(tmp_path / "repository", http_port=-1, metrics_port=-1)
    asking = Asking(server.grpc)
    with gate.held(7):
        first = asking.ask("ordered", 7)
        gate.until_running(7)
        found = call_with_timeout(server.grpc, "300m", "ordered")
        assert found is grpc.StatusCode.DEADLINE_EXCEEDED
        assert gate.batches == [[7], [1]]
    assert answer(first) == [7]
    assert call_with_timeout(server.grpc, "100S", "ordered") is grpc.StatusCode.OK
    asking.close()


@pytest.mark.parametrize("timeout", ["100H", "100M", "never", "123456789S", "-1S"])
def test_what_is_in_time_or_no_timeout(served: Served, timeout: str) -> None:
    assert call_with_timeout(served.grpc, timeout) is grpc.StatusCode.OK


@pytest.mark.parametrize("module", [http_client, grpc_client])
def test_the_timeout_of_a_request(served: Served, gate: Path, module: Any) -> None:
    before = metric(served, "nv_inference_request_failure", model="gate", reason="REJECTED")
    url = served.http if module is http_client else served.grpc
    with module.InferenceServerClient(url) as client:
        with pytest.raises(InferenceServerException, match="timeout expired") as caught:
            client.infer("gate", [given(module, 1)], timeout=50_000)  # microseconds
        assert caught.value.status() in ("503", "StatusCode.UNAVAILABLE")
    after = metric(served, "nv_inference_request_failure", model="gate", reason="REJECTED")
    assert after == before + 1
