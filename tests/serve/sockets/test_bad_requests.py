"""Requests that are spoiled, too large when unpacked, or contradict themselves."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.sockets.limited import body, connect, head


def test_a_decompression_bomb_is_refused(server: Running) -> None:
    import gzip

    packed = gzip.compress(b"[" * (200 << 20), 9)
    assert len(packed) < 1 << 20
    connection = http.client.HTTPConnection(server.http, timeout=30)
    connection.request("POST", "/v2/models/identity/infer", packed, {"Content-Encoding": "gzip"})
    response = connection.getresponse()
    assert (response.status, b"larger than" in response.read()) == (413, True)
    connection.close()


def test_deeply_nested_json_is_refused(server: Running) -> None:
    """CVE class: recursion in the JSON parser."""
    connection = http.client.HTTPConnection(server.http, timeout=30)
    for text in (b"[" * 100_000, b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],'
                 b'"data":' + b"[" * 500 + b"]" * 500 + b"}]}"):  # fmt: skip
        connection.request("POST", "/v2/models/identity/infer", text)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (400, True)
    connection.close()


SAMPLE = head("identity", len(body())) + body()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_spoiled_http_gets_a_4xx_or_an_answer(server: Running, data: st.DataObject) -> None:
    spoiled = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with connect(server) as connection:
        connection.sendall(bytes(spoiled))
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    # Where an answer takes long, a client that has closed its sending half is sent this first.
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not received or received[9:10] in b"24" or received[9:12] in (b"501", b"505")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_spoiled_grpc_messages_get_a_status(server: Running, data: st.DataObject) -> None:
    request = message("ModelInferRequest")(model_name="identity", id="x")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    spoiled = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            ask(bytes(spoiled), timeout=10)
        except grpc.RpcError as error:
            assert error.code() in (
                grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.UNIMPLEMENTED,
            ), error  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.raw_input_contents.append(b"x"), "expected 1 raw_input_contents"),
        (lambda r: r.ClearField("raw_input_contents"), "expected 1 raw_input_contents"),
        (lambda r: r.raw_input_contents.__setitem__(0, bytes(63)), "expected 64, got 63"),
        (lambda r: r.inputs[0].shape.__setitem__(1, 2**62), "unexpected shape for input 'INPUT0'"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -1), "batch dimension of at least 1"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP99"), "has the datatype 'FP99'"),
        (lambda r: r.inputs[0].contents.fp32_contents.append(1), "contents field must not be"),
        (lambda r: r.outputs.add(name="OTHER"), "unexpected inference output 'OTHER'"),
        (lambda r: r.inputs.append(r.inputs[0]), "expected 1 inputs but got 2"),
        (lambda r: setattr(r.parameters["triton_x"], "bool_param", True), "are reserved"),
        (lambda r: setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "a"),
         "shared memory is not served"),
    ],
)  # fmt: skip
def test_bad_grpc_requests_are_told_why(
    server: Running, change: Callable[[Any], None], words: str
) -> None:
    request = message("ModelInferRequest")(model_name="identity")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    change(request)
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            ask(request.SerializeToString(), timeout=10)
    assert words in (caught.value.details() or "")


def test_typed_contents(server: Running) -> None:
    request = message("ModelInferRequest")(model_name="identity")
    given_input = request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    given_input.contents.fp32_contents.extend(range(16))
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        response = message("ModelInferResponse").FromString(ask(request.SerializeToString()))
    found = np.frombuffer(response.raw_output_contents[0], np.float32)
    np.testing.assert_array_equal(found, np.arange(16, dtype=np.float32))
