"""The HTTP endpoints: from a request's method and path to what answers it.

Paths are those of Triton's http_server.cc. Inference takes a short cut: a path that named a
version before names it again as long as no model was loaded or unloaded.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError, invalid
from trtserve.models import Version
from trtserve.protocols.compression import accepted, compressed, decompressed
from trtserve.protocols.http1 import HttpRequest, infer_head
from trtserve.protocols.v2_json import error_body
from trtserve.request import Buffer, InferRequest, InferResponse
from trtserve.sockets.http1 import JSON, HttpProtocol

_log = logging.getLogger("trtserve")
_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]+))?"
_BINARY = "application/octet-stream"


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    methods: tuple[str, ...]
    handler: Callable[..., Any]


class HttpApi:
    """Serves the requests of all HTTP connections."""

    def __init__(self, endpoints: Endpoints, max_body_bytes: int) -> None:
        self._endpoints = endpoints
        self._models = endpoints.models
        self.max_body_bytes = max_body_bytes
        self._paths: dict[str, Version] = {}
        self._generation = -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._routes = self._table()

    def _table(self) -> list[_Route]:
        ends = self._endpoints
        get, both, post = ("GET", "HEAD"), ("GET", "HEAD", "POST"), ("POST",)
        rows: list[tuple[str, tuple[str, ...], Callable[..., Any]]] = [
            (rf"{_MODEL}/infer", post, self._infer_by_path),
            (r"/v2/?", get, ends.server_metadata),
            (r"/v2/health/live", get, lambda: True),
            (r"/v2/health/ready", get, ends.server_ready),
            (r"/v2/models/stats", get, lambda: ends.statistics("", "")),
            (rf"{_MODEL}/?", get, ends.model_metadata),
            (rf"{_MODEL}/ready", get, ends.model_ready),
            (rf"{_MODEL}/config", get, ends.model_config_json),
            (rf"{_MODEL}/stats", get, ends.statistics),
            (r"/v2/logging", both, self._logging),
            (r"/v2/repository(?:/(?P<repository>[^/]+))?/index", post, self._index),
            (r"/v2/repository(?:/(?P<repository>[^/]+))?/models/(?P<model>[^/]+)/(?P<verb>load|unload)",
             post, self._control),
        ]  # fmt: skip
        return [_Route(re.compile(pattern), methods, handler) for pattern, methods, handler in rows]

    def handle(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        """Answer a request through `exchange`, now or later."""
        if self._generation != self._models.generation:
            self._paths.clear()
            self._generation = self._models.generation
        version = self._paths.get(request.head.path)
        try:
            if version is not None and request.head.method == "POST":
                self._infer(version, request, exchange, started_ns)
            else:
                self._route(request, exchange, started_ns)
        except ServeError as error:
            _respond_error(exchange, error)
        except Exception as error:  # whatever goes wrong, the client hears of it
            _respond_error(exchange, _bug(error))

    def _route(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        head = request.head
        for pattern, methods, handler in self._routes:
            match = pattern.fullmatch(head.path)
            if match is None:
                continue
            if head.method not in methods:
                allowed = (*JSON, ("Allow", ", ".join(methods)))
                exchange.respond(405, allowed, [error_body(f"{head.method} is not allowed here")])
                return
            if handler == self._infer_by_path:
                self._infer_by_path(match, request, exchange, started_ns)
            elif handler in (self._logging, self._index, self._control):
                self._answer(exchange, handler(match, self._body(request)))
            else:
                self._answer(exchange, handler(*map(_segment, match.groups())))
            return
        exchange.respond(404, JSON, [error_body(f"there is nothing at {head.path[:200]}")])

    def _answer(self, exchange: HttpProtocol, value: Any) -> None:
        if isinstance(value, bool):
            exchange.respond(200 if value else 400, (("Content-Type", "text/plain"),), [])
        elif asyncio.iscoroutine(value):
            task = asyncio.get_running_loop().create_task(self._answer_later(exchange, value))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            exchange.respond(200, JSON, [orjson.dumps(value)])

    async def _answer_later(self, exchange: HttpProtocol, value: Coroutine[Any, Any, None]) -> None:
        try:
            await value
            exchange.respond(200, JSON, [])
        except ServeError as error:
            _respond_error(exchange, error)
        except Exception as error:
            _respond_error(exchange, _bug(error))

    def _body(self, request: HttpRequest) -> Any:
        body = self._plain_body(request)
        if not len(body):
            return {}
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise invalid(f"failed to parse the request JSON buffer: {error}") from None
        if not isinstance(value, dict):
            raise invalid("the request must be a JSON object")
        return value

    def _plain_body(self, request: HttpRequest) -> Buffer:
        coding = request.head.headers.get("content-encoding", "identity").strip().lower()
        if coding == "identity":
            return request.body
        return decompressed(request.body, coding, self.max_body_bytes)

    # Repository and log

    def _logging(self, _match: re.Match[str], body: dict[str, Any]) -> Any:
        return self._endpoints.logs.update(body)

    def _index(self, match: re.Match[str], body: dict[str, Any]) -> Any:
        _refuse_named_repository(match)
        return self._endpoints.repository_index(ready=bool(body.get("ready", False)))

    def _control(self, match: re.Match[str], body: dict[str, Any]) -> Any:
        _refuse_named_repository(match)
        name = unquote(match["model"])
        parameters = body.get("parameters", {})
        if not isinstance(parameters, dict):
            raise invalid("'parameters' must be an object")
        if match["verb"] == "unload":
            return self._endpoints.unload(name)
        return self._endpoints.load(name, parameters)

    # Inference

    def _infer_by_path(
        self, match: re.Match[str], request: HttpRequest, exchange: HttpProtocol, started_ns: int
    ) -> None:
        name, number = map(_segment, match.groups())
        version = self._models.version(name, number)
        if len(self._paths) < 4096:
            self._paths[request.head.path] = version
        self._infer(version, request, exchange, started_ns)

    def _infer(
        self, version: Version, request: HttpRequest, exchange: HttpProtocol, started_ns: int
    ) -> None:
        head = request.head
        if not self._endpoints.ready:
            raise ServeError(Kind.UNAVAILABLE, "the server is shutting down")
        body = self._plain_body(request) if "content-encoding" in head.headers else request.body
        call, data = version.codec.decode(body, head.infer_header_length)
        coding = head.headers.get("accept-encoding")
        infer = InferRequest(call, data, partial(_reply, exchange, version, coding), started_ns)
        exchange.on_cancel = partial(version.runner.cancel, infer)
        version.submit(infer)


def _reply(
    exchange: HttpProtocol, version: Version, coding: str | None, request: InferRequest,
    answer: InferResponse | ServeError,
) -> None:  # fmt: skip
    """Send the answer to an inference request."""
    if request.cancelled:
        return
    try:
        if isinstance(answer, ServeError):
            raise answer
        encoded = version.codec.encode(request.call, answer)
    except ServeError as error:
        _respond_error(exchange, error)
        return
    except Exception as error:  # whatever goes wrong, the client hears of it
        _respond_error(exchange, _bug(error))
        return
    chosen = accepted(coding) if coding is not None else ""
    if chosen:
        _respond_compressed(exchange, encoded.parts, encoded.header_length, chosen)
    else:
        exchange.write(infer_head(encoded.header_length, encoded.parts), encoded.parts)


def _respond_compressed(
    exchange: HttpProtocol, parts: Sequence[Buffer], header_length: int, coding: str
) -> None:
    headers = [("Content-Encoding", coding)]
    if header_length < 0:
        headers += JSON
    else:
        headers += [("Content-Type", _BINARY),
                    ("Inference-Header-Content-Length", str(header_length))]  # fmt: skip
    exchange.respond(200, headers, [compressed(parts, coding)])


def _respond_error(exchange: HttpProtocol, error: ServeError) -> None:
    exchange.respond(error.status.http, JSON, [error_body(error.message)])


def _bug(error: Exception) -> ServeError:
    """What the client of a request that met a bug of ours is told; the log has the rest."""
    _log.error("a request failed", exc_info=error)
    return ServeError(Kind.INTERNAL, f"internal error: {type(error).__name__}")


def _segment(text: str | None) -> str:
    return unquote(text) if text else ""


def _refuse_named_repository(match: re.Match[str]) -> None:
    if match["repository"]:
        raise ServeError(Kind.UNSUPPORTED, "'repository_name' specification is not supported")
