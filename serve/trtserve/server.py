"""The server: wires settings, models, protocols and sockets together, starts them and ends them."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import logging
import os
import signal
import sys
import time
from typing import Any

from trtbuild.errors import RepositoryError, TrtbuildError, UsageError
from trtserve.endpoints import Endpoints
from trtserve.grpc_api import GrpcApi
from trtserve.grpc_extras import extra_methods
from trtserve.http_api import HttpApi
from trtserve.logs import LogSettings
from trtserve.metrics import MetricsApi
from trtserve.models import Models
from trtserve.protocols.grpc import GrpcApplication
from trtserve.settings import Settings
from trtserve.sockets.connections import Connections
from trtserve.sockets.http1 import HttpProtocol
from trtserve.sockets.http2 import GrpcProtocol

_log = logging.getLogger("trtserve")
_BACKLOG = 4096
_WATCH_S = 1.0
# Instances' threads ask for the GIL while the loop's thread holds it: at Python's default of 5 ms
# a small model's batch would wait longer than it runs.
_SWITCH_INTERVAL_S = 0.0005


class Server:
    """One server, within a running event loop: `start`, then `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._logs = LogSettings(settings.log_verbose)
        self.models = Models(settings, self._loop)
        self.endpoints = Endpoints(self.models, self._logs, settings.control)
        self.connections = Connections(settings.max_connections, settings.stall_timeout_s)
        self._metrics_connections = Connections(100, settings.stall_timeout_s)
        self._listeners: list[asyncio.Server] = []
        self._watchers: list[asyncio.Task[None]] = []
        self.ports: dict[str, int] = {}  # protocol -> the port it is served on

    async def start(self) -> None:
        """Listen, load, be ready. Raises `TrtbuildError`."""
        for repository in self._settings.repositories:
            if not repository.is_dir():
                raise RepositoryError(f"the model repository {repository} is no directory")
        await self._listen()
        failed = await self.models.start()
        if failed and self._settings.exit_on_error:
            raise RepositoryError(
                "failed to load all models:\n" + "\n".join(f"  {error}" for error in failed),
                "mend or remove them, or serve the others with --exit-on-error=false",
            )
        self.endpoints.ready = True
        self._watchers.append(self._loop.create_task(self._watch()))
        if self._settings.control == "poll":
            self._watchers.append(self._loop.create_task(self._poll()))
        for protocol, port in self.ports.items():
            _log.info("%s on %s:%d", protocol, self._settings.host, port)

    async def _listen(self) -> None:
        settings, loop = self._settings, self._loop
        http = HttpApi(self.endpoints, settings.max_input_bytes)
        grpc = GrpcApplication(
            {**GrpcApi(self.endpoints).methods(), **extra_methods(self.endpoints)},
            settings.max_input_bytes,
        )
        metrics = MetricsApi(self.models)
        for protocol, port, factory in (
            ("http", settings.http_port, lambda: HttpProtocol(http, self.connections)),
            ("grpc", settings.grpc_port, lambda: GrpcProtocol(grpc, self.connections, loop)),
            ("metrics", settings.metrics_port,
             lambda: HttpProtocol(metrics, self._metrics_connections)),
        ):  # fmt: skip
            if port >= 0:
                await self._listen_on(protocol, port, factory)

    async def _listen_on(self, protocol: str, port: int, factory: Any) -> None:
        try:
            listener = await self._loop.create_server(
                factory, self._settings.host, port, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"{protocol} port {port} of {self._settings.host} is in use",
                    f"choose another with --{protocol}-port",
                ) from None
            raise UsageError(f"cannot listen on {self._settings.host}:{port}: {error}") from None
        self._listeners.append(listener)
        self.ports[protocol] = listener.sockets[0].getsockname()[1]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            now = time.monotonic()
            self.connections.abort_stalled(now)
            self._metrics_connections.abort_stalled(now)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                await self.models.poll()
            except OSError as error:
                _log.error("cannot look at the repositories: %s", error)

    async def stop(self, timeout_s: float) -> bool:
        """Refuse what is new, finish what is under way. False: something had to be cut off."""
        self.endpoints.ready = False
        for watcher in self._watchers:
            watcher.cancel()
        for listener in self._listeners:
            listener.close()
        complete = await self.connections.drain(timeout_s)
        await self._metrics_connections.drain(0)
        if complete:
            await self.models.close()
        self._logs.close()
        return complete


async def serve(settings: Settings) -> int:
    """Run a server until SIGTERM or SIGINT; a second one forces the end. Returns the exit code."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    loop = asyncio.get_running_loop()
    server = Server(settings)
    ending = asyncio.Event()
    forced = asyncio.Event()

    def on_signal() -> None:
        (forced if ending.is_set() else ending).set()
        server.endpoints.ready = False

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await server.start()
    except TrtbuildError:
        await server.stop(0)
        raise
    await ending.wait()
    _log.info("ending: waiting up to %g s for requests under way", settings.exit_timeout_s)
    stop = loop.create_task(server.stop(settings.exit_timeout_s))
    force = loop.create_task(forced.wait())
    await asyncio.wait((stop, force), return_when=asyncio.FIRST_COMPLETED)
    if not stop.done():
        _log.warning("ending at once: a second signal came")
        return 1
    force.cancel()
    return 0 if stop.result() else 1


def run(settings: Settings) -> int:
    """Run a server in this thread, on uvloop where it is installed. Returns the exit code."""
    if importlib.util.find_spec("uvloop"):
        import uvloop

        code = uvloop.run(serve(settings))
    else:
        code = asyncio.run(serve(settings))
    if code:
        # Instances are still computing in native code, which must not see the interpreter go.
        logging.shutdown()
        os._exit(code)
    return code
