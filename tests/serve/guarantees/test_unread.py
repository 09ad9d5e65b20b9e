"""Answers that their clients have not read when the server is asked to end."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import h2.config
import h2.connection
import pytest
from h2.settings import SettingCodes
from trtserve.protocols.messages import message

from tests.serve.clients.served import Served
from tests.serve.gated import until
from tests.serve.models import put_python

ANSWER_BYTES = 20_000_000  # more than the kernel takes for a client that does not read
CODE = f"""
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        data = np.zeros({ANSWER_BYTES}, np.uint8)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", data)]) for _ in requests]
"""
CONFIG = """
backend: "python"
input { name: "INPUT0" data_type: TYPE_INT32 dims: [1] }
output { name: "OUTPUT0" data_type: TYPE_UINT8 dims: [-1] }
"""


def connected(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.settimeout(60)
    connection.connect((host, int(port)))
    return connection


def asked_by_http(served: Served) -> socket.socket:
    body = json.dumps({
        "inputs": [{"name": "INPUT0", "shape": [1], "datatype": "INT32", "data": [1]}],
        "parameters": {"binary_data_output": True},
    })  # fmt: skip
    connection = connected(served.http)
    head = f"POST /v2/models/big/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body.encode())
    return connection


def asked_by_grpc(served: Served) -> socket.socket:
    """With a window for all of the answer: what is not read waits in the server's socket alone."""
    request = message("ModelInferRequest")(model_name="big")
    request.inputs.add(name="INPUT0", datatype="INT32", shape=[1])
    request.raw_input_contents.append(bytes(4))
    data = request.SerializeToString()
    peer = h2.connection.H2Connection(h2.config.H2Configuration())
    peer.local_settings = h2.settings.Settings(
        initial_values={SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}
    )
    peer.initiate_connection()
    peer.increment_flow_control_window(2**31 - 1 - 65535)
    peer.send_headers(1, [
        (":method", "POST"), (":scheme", "http"), (":authority", "a"),
        (":path", "/inference.GRPCInferenceService/ModelInfer"), ("te", "trailers"),
        ("content-type", "application/grpc"),
    ])  # fmt: skip
    peer.send_data(1, b"\0" + len(data).to_bytes(4, "big") + data, end_stream=True)
    connection = connected(served.grpc)
    connection.sendall(peer.data_to_send())
    return connection


@pytest.mark.parametrize("ask", [asked_by_http, asked_by_grpc])
@pytest.mark.parametrize("read", [False, True])
def test_an_answer_that_was_cut_off_is_told_by_the_exit_code(
    tmp_path: Path, ask: Callable[[Served], socket.socket], read: bool
) -> None:
    (tmp_path / "repository").mkdir()
    put_python(tmp_path / "repository", "big", CODE, CONFIG)
    timeout_s = 60 if read else 2
    server = Served(tmp_path / "repository", tmp_path / "log", f"--exit-timeout-secs={timeout_s}")
    with ask(server) as connection:
        connection.recv(20_000, socket.MSG_WAITALL)  # more than what comes before the answer
        server.process.terminate()
        until(lambda: "ending: waiting" in server.log.read_text())
        received = 20_000
        while read and (data := connection.recv(1 << 20)):
            received += len(data)
        assert server.process.wait(30) == (0 if read else 1)
    assert (received > ANSWER_BYTES) == read
    assert ("cut off" in server.log.read_text()) != read
