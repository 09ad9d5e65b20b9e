"""A load generator for HTTP in Python, for machines with many processors and no other generator.

Some processes, each with some connections, each of which sends its next request as soon as it has
an answer. A process sends about 30,000 small requests a second.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.loads import Question

_WARM_S = 0.5  # not counted


class Rate(NamedTuple):
    """What a load came to."""

    per_second: float
    p99_ms: float


class _Connection:
    """A socket, what has come of its answer, and when its request was sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.sent = 0.0

    def send(self, request: bytes, now: float) -> None:
        self.data, self.sent = b"", now
        self.socket.sendall(request)

    def whole(self) -> bool:
        """Read; whether the answer is complete. Raises `RuntimeError` for an error's answer."""
        self.data += self.socket.recv(1 << 20)
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self.data[:500].decode(errors="replace"))
        _, _, rest = head.lower().partition(b"\r\ncontent-length:")
        return len(body) >= int(rest.partition(b"\r\n")[0])


def _work(port: int, request: bytes, clients: int, seconds: float) -> Sequence[float]:
    """Latencies, seconds, of the requests of `clients` connections."""
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for _ in range(clients):
            connection = _Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(request, time.perf_counter())
        while (now := time.perf_counter()) < began + _WARM_S + seconds:
            for key, _ in selector.select(0.1):
                if key.data.whole():
                    now = time.perf_counter()
                    if now > began + _WARM_S:
                        took.append(now - key.data.sent)
                    key.data.send(request, now)
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
    processes = min(clients, max(1, (os.cpu_count() or 1) // 3))
    shares = [len(part) for part in np.array_split(np.arange(clients), processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(_work, [(port, request, share, seconds) for share in shares], 1)
    took = np.concatenate(parts)
    return Rate(len(took) / seconds, float(np.percentile(took, 99)) * 1000)
