"""Bytes to a real server and back: whole answers, their number, and whether the server goes on."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

import h2.config
import h2.connection
import h2.events
from trtserve.protocols.messages import message

from tests.serve.conftest import Running

INFER = b"/inference.GRPCInferenceService/ModelInfer"


class HttpAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


def connect(server: Running, protocol: str = "http") -> socket.socket:
    port = server.server.ports[protocol]
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while part := connection.recv(1 << 16):
        data += part
    return data


def answers(data: bytes) -> list[HttpAnswer]:
    """Bytes from a server as whole final answers; interim ones are left out."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1.1 "), first
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(first.split(" ")[1])
        if status == 100:
            continue
        length = int(headers["content-length"])
        assert len(data) >= length, "an answer is torn"
        found.append(HttpAnswer(status, headers, data[:length]))
        data = data[length:]
    return found


def exchange(server: Running, *pieces: bytes) -> list[HttpAnswer]:
    """Send, close the sending half, and read what is answered."""
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        return answers(received(connection))


def post(body: bytes, model: str = "identity", *headers: str) -> bytes:
    """A request for inference; a header of a kind given takes the usual one's place."""
    lines = [f"POST /v2/models/{model}/infer HTTP/1.1", "Host: a", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def inputs(**changes: Any) -> dict[str, Any]:
    """The JSON of a good request to `identity`, with changes to its one input."""
    given = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [1.0] * 16}
    given |= changes
    return {"inputs": [{key: value for key, value in given.items() if value is not None}]}


def asked(server: Running, body: Any, *headers: str, model: str = "identity") -> HttpAnswer:
    """The one answer to one request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    (answer,) = exchange(server, post(data, model, *headers))
    return answer


def goes_on(server: Running) -> None:
    """A good request on a new connection of each protocol is answered."""
    assert asked(server, inputs()).status == 200
    assert called(server, good_message())[0] == 0


def good_message() -> Any:
    request = message("ModelInferRequest")(model_name="identity")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    return request


def framed(data: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(data)) + data


class GrpcCalls:
    """An HTTP/2 client of our own: it can send what a gRPC library would not."""

    def __init__(self, connection: socket.socket, *, windows: bool = True) -> None:
        self.socket = connection
        self._windows = windows  # False: they stay as they are
        self.pongs = 0
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.http2 = h2.connection.H2Connection(config)
        self.http2.initiate_connection()
        self.headers: dict[int, dict[bytes, bytes]] = {}
        self.body: dict[int, bytes] = {}
        self.over: set[int] = set()
        self.resets: dict[int, int] = {}

    def __enter__(self) -> GrpcCalls:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def begin(self, *changes: tuple[str, str | None], path: bytes = INFER) -> int:
        """Open a call; a change with None takes a header away."""
        stream = self.http2.get_next_available_stream_id()
        headers = {
            ":method": "POST", ":scheme": "http", ":path": path.decode(), ":authority": "a",
            "content-type": "application/grpc", "te": "trailers",
        } | dict(changes)  # fmt: skip
        self.http2.send_headers(stream, [(n, v) for n, v in headers.items() if v is not None])
        self.headers[stream], self.body[stream] = {}, b""
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = True) -> None:
        """Data as the windows allow, from one small enough to begin with."""
        size = self.http2.max_outbound_frame_size
        for start in range(0, len(data), size):
            while self.http2.local_flow_control_window(stream) < size:
                self._read()
            self.http2.send_data(stream, data[start : start + size])
        if end:
            self.http2.end_stream(stream)
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.http2.data_to_send())

    def _read(self) -> None:
        self.flush()
        data = self.socket.recv(1 << 16)
        assert data, "the server closed the connection"
        self.take(data)
        self.flush()

    def take(self, data: bytes) -> None:
        """What the server sent."""
        for event in self.http2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                self.headers[event.stream_id] |= {bytes(n): bytes(v) for n, v in event.headers}
            elif isinstance(event, h2.events.DataReceived):
                self.body[event.stream_id] += event.data
                if self._windows:
                    size = event.flow_controlled_length
                    self.http2.acknowledge_received_data(size, event.stream_id)
            elif isinstance(event, h2.events.PingAckReceived):
                self.pongs += 1
            elif isinstance(event, h2.events.StreamEnded):
                assert event.stream_id not in self.over, "a second answer"
                self.over.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code

    def settle(self) -> None:
        """Read until the server has seen everything: it answers a ping in order."""
        before = self.pongs
        self.http2.ping(b"settled!")
        while self.pongs == before:
            self._read()

    def answer(self, stream: int) -> tuple[int, str]:
        """grpc-status and grpc-message."""
        while stream not in self.over:
            assert stream not in self.resets, "a reset before the answer"
            self._read()
        headers = self.headers[stream]
        return int(headers[b"grpc-status"]), headers.get(b"grpc-message", b"").decode()


def calls_to(server: Running) -> GrpcCalls:
    return GrpcCalls(connect(server, "grpc"))


def called(server: Running, request: Any, *changes: tuple[str, str | None]) -> tuple[int, str]:
    """grpc-status and grpc-message of one inference; `request` a message or a body."""
    with calls_to(server) as calls:
        stream = calls.begin(*changes)
        body = request if isinstance(request, bytes) else framed(request.SerializeToString())
        calls.send(stream, body)
        return calls.answer(stream)
