"""Load generators in Python, for machines with many processors and no other generator.

Some processes, each with some connections, each of which sends its next request as soon as it has
an answer. A process sends about 30,000 small requests a second over HTTP, 15,000 over gRPC.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from benchmarks.loads import Question

_WARM_S = 0.5  # not counted
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW, _MOST_WINDOW, _FRAME = 0x4, 2**31 - 1, 16_384


class Rate(NamedTuple):
    """What a load came to."""

    per_second: float
    p99_ms: float


class _Connection(Protocol):
    """A connection that has one request under way."""

    socket: socket.socket

    def send(self) -> None:
        """Begin the next request."""

    def whole(self) -> bool:
        """Read; whether the answer is complete. Raises `RuntimeError` for an error's answer."""


def _connected(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port))
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


class _Http:
    """HTTP/1.1."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = _connected(port)
        self._request = request
        self._data = b""

    def send(self) -> None:
        self._data = b""
        self.socket.sendall(self._request)

    def whole(self) -> bool:
        self._data += self.socket.recv(1 << 20)
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._data[:500].decode(errors="replace"))
        _, _, rest = head.lower().partition(b"\r\ncontent-length:")
        return len(body) >= int(rest.partition(b"\r\n")[0])


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


class _Grpc:
    """HTTP/2 with one call at a time, in the windows that the server gives."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = _connected(port)
        self._request = request
        self._headers = _header_block(port)
        self._data = b""
        self._stream = -1
        self._left = memoryview(b"")  # of the request
        self._window = self._first_window = 65_535  # the call's; RFC 9113, 6.9.2
        self._connection_window = 65_535
        self._answered = 0  # bytes of the answer
        settings = _INITIAL_WINDOW.to_bytes(2, "big") + _MOST_WINDOW.to_bytes(4, "big")
        more = (_MOST_WINDOW - 65_535).to_bytes(4, "big")
        self.socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, more)
        )

    def send(self) -> None:
        self._stream += 2
        self._window, self._answered = self._first_window, 0
        self._left = memoryview(self._request)
        self._send_more(_frame(_HEADERS, _END_HEADERS, self._stream, self._headers))

    def _send_more(self, before: bytes = b"") -> None:
        parts = [before]
        while self._left and (size := min(_FRAME, self._window, self._connection_window)) > 0:
            part, self._left = bytes(self._left[:size]), self._left[size:]
            parts.append(_frame(_DATA, 0 if self._left else _END_STREAM, self._stream, part))
            self._window -= len(part)
            self._connection_window -= len(part)
        if sent := b"".join(parts):
            self.socket.sendall(sent)

    def whole(self) -> bool:
        self._data += self.socket.recv(1 << 20)
        data, at, ended = self._data, 0, False
        while at + 9 <= len(data):
            size = int.from_bytes(data[at : at + 3], "big")
            if at + 9 + size > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            ended |= self._frame(kind, flags, stream, data[at + 9 : at + 9 + size])
            at += 9 + size
        self._data = data[at:]
        return ended

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bool:
        """Whether the call has ended."""
        if kind == _DATA:
            self._answered += len(payload)
            # The connection's window is two gigabytes: for longer runs it is filled up.
            if payload:
                self.socket.sendall(_frame(_WINDOW, 0, 0, len(payload).to_bytes(4, "big")))
        elif kind == _WINDOW:
            more = int.from_bytes(payload, "big")
            if not stream:
                self._connection_window += more
            elif stream == self._stream:
                self._window += more
            self._send_more()
        elif kind == _SETTINGS and not flags & _ACK:
            self._take(payload)
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RST, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
            # An error's answer is trailers alone, without a message.
            if kind != _HEADERS or not self._answered:
                raise RuntimeError(f"the call has failed: frame {kind}, {payload!r}")
            return True
        return False

    def _take(self, settings: bytes) -> None:
        for at in range(0, len(settings), 6):
            if int.from_bytes(settings[at : at + 2], "big") == _INITIAL_WINDOW:
                size = int.from_bytes(settings[at + 2 : at + 6], "big")
                self._window += size - self._first_window
                self._first_window = size
        self.socket.sendall(_frame(_SETTINGS, _ACK, 0))
        self._send_more()


def _header_block(port: int) -> bytes:
    """The call's headers, none of which enters a table: the same bytes each time."""
    headers = {
        ":method": "POST", ":scheme": "http", ":authority": f"127.0.0.1:{port}",
        ":path": "/inference.GRPCInferenceService/ModelInfer",
        "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    block = b""
    for name, value in headers.items():
        for text in (
            b"\0" + bytes((len(name),)) + name.encode(),
            bytes((len(value),)) + value.encode(),
        ):
            block += text
    return block


def _work(connect: Callable[[], _Connection], clients: int, seconds: float) -> Sequence[float]:
    """Latencies, seconds, of the requests of `clients` connections."""
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        sent: dict[int, float] = {}
        for _ in range(clients):
            connection = connect()
            number = selector.register(connection.socket, selectors.EVENT_READ, connection).fd
            sent[number] = time.perf_counter()
            connection.send()
        while (now := time.perf_counter()) < began + _WARM_S + seconds:
            for key, _ in selector.select(0.1):
                if key.data.whole():
                    now = time.perf_counter()
                    if now > began + _WARM_S:
                        took.append(now - sent[key.fd])
                    sent[key.fd] = now
                    key.data.send()
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return took


def http(port: int, question: Question, clients: int, seconds: float) -> Rate:
    """POST the question from `clients` connections."""
    header, data = question.http()
    body = header + data
    request = (
        f"POST /v2/models/{question.model}/infer HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n"
        f"Inference-Header-Content-Length: {len(header)}\r\n\r\n"
    ).encode() + body
    return _rate(partial(_Http, port, request), clients, seconds)


def grpc(port: int, question: Question, clients: int, seconds: float) -> Rate:
    """The same over gRPC, a connection for each client."""
    return _rate(partial(_Grpc, port, question.grpc()), clients, seconds)


def _rate(connect: Callable[[], _Connection], clients: int, seconds: float) -> Rate:
    processes = min(clients, max(1, (os.cpu_count() or 1) // 3))
    shares = [len(part) for part in np.array_split(np.arange(clients), processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(_work, [(connect, share, seconds) for share in shares], 1)
    took = np.concatenate(parts)
    return Rate(len(took) / seconds, float(np.percentile(took, 99)) * 1000)
