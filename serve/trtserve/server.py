"""The server: wires settings, models, protocols and sockets together, starts them and ends them."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
import time
from typing import Any

from trtbuild.errors import RepositoryError, UsageError
from trtserve import memory, tls
from trtserve.endpoints import Endpoints
from trtserve.faults import FAULTS
from trtserve.grpc_access import guarded
from trtserve.grpc_api import GrpcApi
from trtserve.grpc_extras import extra_methods
from trtserve.http_api import HttpApi
from trtserve.logs import LogSettings
from trtserve.metrics import MetricsApi
from trtserve.models import Models
from trtserve.origins import Origins
from trtserve.protocols.budget import Budget
from trtserve.protocols.grpc import GrpcApplication
from trtserve.repositories import check_repositories
from trtserve.settings import Settings
from trtserve.sockets.connections import Connections
from trtserve.sockets.http1 import HttpProtocol
from trtserve.sockets.http2 import GrpcProtocol

_log = logging.getLogger("trtserve")
_BACKLOG = 4096
_WATCH_S = 1.0
_FREE_S = 1.0  # for models to be freed, where all requests took the whole timeout


class Server:
    """One server, within a running event loop: `start`, then `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._logs = LogSettings(settings.log_verbose)
        self.models = Models(settings, self._loop)
        self.endpoints = Endpoints(self.models, self._logs, settings.control)
        # One request of the greatest size can always be served, but for JSON whose numbers become
        # more than it: up to six times its size are held then.
        self._budget = Budget(max(settings.max_held_bytes, 2 * settings.max_input_bytes))
        self.connections = Connections(
            settings.max_connections, settings.stall_timeout_s, self._budget,
            max_per_peer=settings.max_connections_per_peer,
        )  # fmt: skip
        self._metrics_connections = Connections(100, settings.stall_timeout_s)
        self._listeners: list[asyncio.Server] = []
        self.watchers: list[asyncio.Task[None]] = []  # end with the server
        self.lost_gpu = asyncio.Event()  # set when one has faulted: its models are unavailable
        self._unwatch = FAULTS.watch(self._heard_of_fault)
        self._losing: set[asyncio.Task[None]] = set()
        self.ports: dict[str, int] = {}  # protocol -> the port it is served on

    async def start(self) -> None:
        """Listen, load, be ready. Raises `TrtbuildError`."""
        check_repositories(self._settings.repositories)
        await self._listen()
        failed = await self.models.start()
        if failed and self._settings.exit_on_error:
            raise RepositoryError(
                "failed to load all models:\n"
                + "\n".join(f"  '{each.name}': {each.reason}" for each in failed),
                "mend or remove them, or serve the others with --exit-on-error=false",
            )
        self._warn_if_empty()
        self.endpoints.ready = True
        self.watchers.append(self._loop.create_task(self._watch()))
        if self._settings.control == "poll":
            self.watchers.append(self._loop.create_task(self._poll()))
        for protocol, port in self.ports.items():
            secured = {"http": self._settings.http_tls, "grpc": self._settings.grpc_tls}
            suffix = " with TLS" if secured.get(protocol) else ""
            _log.info("%s on %s:%d%s", protocol, self._settings.host_of(protocol), port, suffix)

    def _warn_if_empty(self) -> None:
        """Say that nothing is served where something was to be: a mistyped folder looks so."""
        if self._settings.control != "explicit" and self.models.is_empty:
            where = ", ".join(map(str, self._settings.repositories))
            _log.warning("nothing is served: there is no model in %s", where)

    async def _listen(self) -> None:
        settings, loop = self._settings, self._loop
        http = HttpApi(
            self.endpoints, settings.max_input_bytes, self._origins("http"),
            settings.http_restricted,
        )  # fmt: skip
        methods = {**GrpcApi(self.endpoints).methods(), **extra_methods(self.endpoints)}
        grpc = GrpcApplication(
            guarded(methods, self._origins("grpc"), settings.grpc_restricted),
            settings.max_input_bytes,
            self._budget,
        )
        metrics = MetricsApi(self.models)
        http_tls = tls.context(files, "http") if (files := settings.http_tls) else None
        grpc_tls = tls.context(files, "grpc") if (files := settings.grpc_tls) else None
        for protocol, port, context, factory in (
            ("http", settings.http_port, http_tls, lambda: HttpProtocol(http, self.connections)),
            ("grpc", settings.grpc_port, grpc_tls,
             lambda: GrpcProtocol(grpc, self.connections, loop)),
            ("metrics", settings.metrics_port, None,
             lambda: HttpProtocol(metrics, self._metrics_connections)),
        ):  # fmt: skip
            if port >= 0:
                await self._listen_on(protocol, port, context, factory)

    def _origins(self, protocol: str) -> Origins:
        return Origins(self._settings.allow_hosts, [self._settings.host_of(protocol)])

    async def _listen_on(
        self, protocol: str, port: int, context: ssl.SSLContext | None, factory: Any
    ) -> None:
        host = self._settings.host_of(protocol)
        try:
            listener = await self._loop.create_server(
                factory, host, port, backlog=_BACKLOG, ssl=context,
                ssl_handshake_timeout=None if context is None else tls.HANDSHAKE_S,
            )  # fmt: skip
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"{protocol} port {port} of {host} is in use",
                    f"choose another with --{protocol}-port",
                ) from None
            raise UsageError(
                f"cannot listen for {protocol} on {host}:{port}: {error.strerror or error}",
                f"choose another with --host, --{protocol}-address or --{protocol}-port",
            ) from None
        self._listeners.append(listener)
        self.ports[protocol] = listener.sockets[0].getsockname()[1]

    def _heard_of_fault(self, device: str, reason: str) -> None:
        """On the thread of whoever noticed."""
        self._loop.call_soon_threadsafe(self._lose, device, reason)

    def _lose(self, device: str, reason: str) -> None:
        _log.error("%s", reason)
        task = self._loop.create_task(self.models.lose(device, reason))
        self._losing.add(task)
        task.add_done_callback(self._is_lost)

    def _is_lost(self, task: asyncio.Task[None]) -> None:
        self._losing.discard(task)
        self.endpoints.tell_watchers()
        self.lost_gpu.set()

    async def _watch(self) -> None:
        generation = -1
        while True:
            await asyncio.sleep(_WATCH_S)
            if generation != self.models.generation:  # models came or went
                generation = self.models.generation
                memory.set_aside()
            now = time.monotonic()
            self.connections.abort_stalled(now)
            self._metrics_connections.abort_stalled(now)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                # What has begun to load goes on when this ends: `Models.close` waits for it.
                await asyncio.shield(self.models.poll())
            except OSError as error:
                _log.error("cannot look at the repositories: %s", error)

    async def stop(self, timeout_s: float) -> bool:
        """Refuse what is new, finish what is under way. False: something had to be cut off.

        Until the last answer is out, whoever connects is told that the server is not ready.
        """
        end = self._loop.time() + timeout_s
        self._unwatch()
        self.endpoints.end()
        for watcher in self.watchers:
            watcher.cancel()
        complete = await self.connections.drain(timeout_s)
        for listener in self._listeners:
            listener.close()
        await self._metrics_connections.drain(0)
        if complete:
            complete = await self._free(max(_FREE_S, end - self._loop.time()))
        self._logs.close()
        return complete

    async def _free(self, timeout_s: float) -> bool:
        """Let go of all models. False: one is still loading, or runs what nobody waits for."""
        try:
            await asyncio.wait_for(self.models.close(), timeout_s)
        except asyncio.TimeoutError:
            return False
        return True
