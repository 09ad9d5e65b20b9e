"""Requests that come while models are still loading."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException
from trtserve.server import Server
from trtserve.settings import Settings

from tests.serve.models import CONFIG_16, identity, put, put_python

SLOW = """
import pathlib
import time


class TritonPythonModel:
    def initialize(self, args):
        while (pathlib.Path(args["model_repository"]) / "closed").exists():
            time.sleep(0.01)
"""


def _refusal(module: Any, address: str) -> tuple[str, str]:
    given = module.InferInput("INPUT0", [1, 16], "FP32")
    given.set_data_from_numpy(np.zeros((1, 16), np.float32))
    client = module.InferenceServerClient(address)
    with client, pytest.raises(InferenceServerException) as caught:
        client.infer("good", [given])
    return caught.value.status(), caught.value.message()


async def _refused_while_starting(server: Server) -> None:
    while not server.models.loaded():
        await asyncio.sleep(0.01)
    says = "the server is starting: not all models are loaded yet"
    by_http = asyncio.to_thread(_refusal, http_client, f"127.0.0.1:{server.ports['http']}")
    assert await by_http == ("503", says)
    by_grpc = asyncio.to_thread(_refusal, grpc_client, f"127.0.0.1:{server.ports['grpc']}")
    assert await by_grpc == ("StatusCode.UNAVAILABLE", says)


def test_requests_hear_that_the_server_starts(tmp_path: Path) -> None:
    put(tmp_path, "good", identity(), CONFIG_16)
    slow = put_python(tmp_path, "slow", SLOW, 'backend: "python"' + CONFIG_16)
    (slow / "closed").touch()

    async def run() -> None:
        server = Server(
            Settings(repositories=(tmp_path,), http_port=0, grpc_port=0, metrics_port=-1)
        )
        start = asyncio.create_task(server.start())
        try:
            await _refused_while_starting(server)
        finally:
            (slow / "closed").unlink()
            await start
            assert await server.stop(20)

    asyncio.run(run())
