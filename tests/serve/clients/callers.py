"""The four clients of tritonclient, called in one way."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio

from tests.serve.clients.served import Served

CALLERS = {
    "http": http_client,
    "grpc": grpc_client,
    "http.aio": http_aio,
    "grpc.aio": grpc_aio,
}


class Caller:
    """The client's own methods, `caller.infer(...)`; coroutines are waited for."""

    def __init__(self, kind: str, served: Served) -> None:
        self.http = kind.startswith("http")
        self.sync = not kind.endswith("aio")
        # What requests are made of is the same for a client and its asyncio variant.
        self.module = http_client if self.http else grpc_client
        self._loop = asyncio.new_event_loop()
        url = served.http if self.http else served.grpc
        self._client = self._made(CALLERS[kind].InferenceServerClient, url)

    def _made(self, client: Any, url: str) -> Any:
        async def make() -> Any:
            return client(url)

        # asyncio clients want to be made within the loop that they are used in.
        return client(url) if self.sync else self._loop.run_until_complete(make())

    def close(self) -> None:
        """End the client's connections."""
        self._call("close")
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self._call(name, *args, **options)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        value = getattr(self._client, name)(*args, **options)
        return self._loop.run_until_complete(value) if asyncio.iscoroutine(value) else value

    def told(self, name: str, *args: Any, **options: Any) -> Any:
        """A method's answer as plain JSON; gRPC's numbers of 64 bits are strings there."""
        return self._call(name, *args, **options, **({} if self.http else {"as_json": True}))

    def tensor(self, name: str, values: np.ndarray, dtype: str = "FP32", **how: Any) -> Any:
        """An InferInput with its data."""
        made = self.module.InferInput(name, list(values.shape), dtype)
        made.set_data_from_numpy(values, **how)
        return made

    def wanted(self, name: str, **how: Any) -> Any:
        """An InferRequestedOutput."""
        return self.module.InferRequestedOutput(name, **how)
