"""Real servers on free ports, in a thread of the test's process; models of one or two nodes."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from trtserve.server import Server
from trtserve.settings import Settings


class Running:
    """A server in a thread. `call` runs something on its event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._up = threading.Event()
        self._error: BaseException | None = None
        self.server: Server
        self.loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: uvloop.run(self._main()), daemon=True)
        self._thread.start()
        assert self._up.wait(60)
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._thread.join(10)
            raise self._error

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self.server = Server(self._settings)
        try:
            await self.server.start()
        except BaseException as error:
            self._error = error
            await self.server.stop(0)
            self._up.set()
            return
        self._up.set()
        await self._end.wait()
        await self.server.stop(5)

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.server.ports['http']}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.server.ports['grpc']}"

    @property
    def metrics(self) -> str:
        return f"127.0.0.1:{self.server.ports['metrics']}"

    def call(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the server's thread and return what it returns."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._end.set)
            self._thread.join(30)
            assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., Running]]:
    """`start(repository, ...)`: a running server; all are stopped at the end of the session."""
    running: list[Running] = []

    def start(*repositories: Path, **settings: Any) -> Running:
        ports = {"http_port": 0, "grpc_port": 0, "metrics_port": 0}
        server = Running(Settings(repositories=repositories, **(ports | settings)))
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes where the test's own server sends it: others of the session are still there."""
    monkeypatch.setattr(logging.getLogger("trtserve"), "handlers", [])
