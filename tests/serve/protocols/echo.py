"""An HTTP/2 connection that echoes, alone and with a client by the `h2` library."""

from __future__ import annotations

import struct
from typing import Any

import h2.config
import h2.connection
import h2.events
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import literal, status
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_stream import Stream

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]
HEADERS = status(200) + literal(b"content-type", b"text/plain")
TRAILERS = literal(b"grpc-status", b"0")
BLOCK = b"\x83\x86\x84\x01\x01a"  # POST, http, /, authority a


class Echo:
    """Answers each request with its body when it is whole."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def stream_opened(self, stream: Stream, headers: Any) -> Call:
        self.calls.append(Call(stream, headers))
        return self.calls[-1]


class Call:
    def __init__(self, stream: Stream, headers: Any) -> None:
        self.stream, self.headers = stream, headers
        self.body = b""
        self.ended = self.was_reset = False
        self.unfinished = True

    @property
    def received_bytes(self) -> int:
        return len(self.body)

    def settle(self) -> None:
        """All that it holds is its own."""

    def data(self, data: memoryview) -> None:
        self.body += data

    def space(self) -> None:
        """None."""

    def filled(self, count: int) -> None:
        raise AssertionError("there was no space to fill")

    def end(self) -> None:
        self.ended = True
        self.stream.respond(HEADERS, [self.body], TRAILERS)

    def reset(self) -> None:
        self.was_reset = True


class Pair:
    """A client by the h2 library and our server, bytes carried between them."""

    def __init__(self, piece: int = 1 << 20) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.echo = Echo()
        self.server = Http2Connection(self.echo)
        self.events: list[Any] = []
        self.piece = piece
        self.now = 0.0
        self.carry()

    def carry(self) -> None:
        while True:
            data = self.client.data_to_send()
            for start in range(0, len(data), self.piece):
                self.server.receive(data[start : start + self.piece], self.now)
            out, self.server.out = self.server.out, []
            if not data and not out:
                return
            self.events += self.client.receive_data(b"".join(map(bytes, out)))

    def request(self, body: bytes = b"hello", stream: int | None = None) -> int:
        stream = stream or self.client.get_next_available_stream_id()
        self.client.send_headers(stream, REQUEST)
        while body:
            self.carry()
            size = min(
                self.client.local_flow_control_window(stream), len(body),
                self.client.max_outbound_frame_size,
            )  # fmt: skip
            self.client.send_data(stream, body[:size])
            body = body[size:]
        self.client.end_stream(stream)
        self.carry()
        return stream

    def received(self, stream: int) -> bytes:
        return b"".join(
            event.data for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )  # fmt: skip

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def raw(*sent: bytes, now: float = 0.0) -> tuple[Http2Connection, int | None]:
    """A server that got `sent` behind preface and settings, and the GOAWAY code it answered."""
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0), now)
    for piece in sent:
        server.receive(piece, now)
    return server, goaway_code(server)


def goaway_code(server: Http2Connection) -> int | None:
    data = b"".join(map(bytes, server.out))
    while data:
        length = int.from_bytes(data[:3], "big")
        if data[3] == frames.GOAWAY:
            return int(struct.unpack(">I", data[13:17])[0])
        data = data[9 + length :]
    return None
