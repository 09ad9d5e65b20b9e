"""A request's cost to the event loop, without sockets: `python -m benchmarks.serve_loop`.

Real connections' protocol, models and schedulers in this process, and a transport that counts.
So many connections as a batch is to have requests send one each, and wait for all the answers;
the best of five rounds is printed, since whatever else the machine does only adds to it.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from trtserve.http_api import HttpApi
from trtserve.server import Server
from trtserve.settings import Settings
from trtserve.sockets.http1 import HttpProtocol

from benchmarks.loads import Question
from benchmarks.serve_servers import SMALL, write_models

ROUNDS, REQUESTS = 5, 3000


class Transport:
    """Takes answers and counts them."""

    answers = 0

    def write(self, _data: bytes) -> None:
        Transport.answers += 1

    def is_closing(self) -> bool:
        return False


def request(model: str) -> bytes:
    header, data = Question(model, np.ones((1, *SMALL), np.float32), "INPUT0", "OUTPUT0").http()
    return (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: "
        f"{len(header)}\r\nContent-Length: {len(header) + len(data)}\r\n\r\n"
    ).encode() + header + data  # fmt: skip


async def turn(connections: list[HttpProtocol], sent: bytes) -> None:
    awaited = Transport.answers + len(connections)
    for each in connections:
        each.data_received(sent)
    while Transport.answers < awaited:
        await asyncio.sleep(0)


async def measured(server: Server, model: str, count: int) -> float:
    """Microseconds a request, `count` of them at a time."""
    api, sent = HttpApi(server.endpoints, 1 << 26), request(model)
    connections = [HttpProtocol(api, server.connections) for _ in range(count)]
    transport: Any = Transport()
    for each in connections:
        each.connection_made(transport)
    best = float("inf")
    for _ in range(ROUNDS + 1):  # the first warms up
        began = time.perf_counter()
        for _ in range(max(1, REQUESTS // count)):
            await turn(connections, sent)
        best = min(best, (time.perf_counter() - began) / max(1, REQUESTS // count) / count)
    for each in connections:
        each.connection_lost(None)
    return best * 1e6


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder), with_onnx=True)
        settings = Settings(repositories=(Path(folder),), http_port=0, grpc_port=0, metrics_port=0)
        server = Server(settings)
        logging.disable(logging.INFO)
        await server.start()
        for model in ("small_onnx", "small"):
            for count in (1, 8, 16, 64):
                us = await measured(server, model, count)
                print(f"{model:12} {count:3} at a time  {us:7.2f} us a request", flush=True)
        await server.stop(5)


if __name__ == "__main__":
    uvloop.run(main())
