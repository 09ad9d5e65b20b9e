"""The HTTP endpoints: from a request's method and path to what answers it.

Paths are those of Triton's http_server.cc. Inference takes a short cut: a path that named a
version before names it again as long as no model was loaded or unloaded.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError, invalid
from trtserve.http_infer import HttpInference, bug, plain_body, respond_error
from trtserve.origins import Origins
from trtserve.protocols.http1 import HttpRequest
from trtserve.protocols.json_fields import object_of, parsed
from trtserve.protocols.large_json import at_once, bounded
from trtserve.protocols.v2_json import error_body
from trtserve.restrictions import Restriction, Restrictions
from trtserve.sockets.http1 import JSON, HttpProtocol
from trtserve.version import Version

_log = logging.getLogger("trtserve")
_MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]+))?"
_REPOSITORY = r"/v2/repository(?:/(?P<repository>[^/]+))?"
_BINARY = "application/octet-stream"


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    methods: tuple[str, ...]
    handler: Callable[..., Any]
    restriction: Restriction | None
    changes: bool  # its POST changes the server: not for pages of other sites


class HttpApi:
    """Serves the requests of all HTTP connections."""

    def __init__(
        self, endpoints: Endpoints, max_body_bytes: int,
        origins: Origins | None = None, restricted: Restrictions | None = None,
    ) -> None:  # fmt: skip
        """`origins`: of requests that change the server; `restricted`: by category."""
        self._endpoints = endpoints
        self._origins = origins or Origins()
        self._restricted = restricted or {}
        self._restricted_inference = self._restricted.get("inference")
        self._models = endpoints.models
        self.max_body_bytes = max_body_bytes
        self._inference = HttpInference(endpoints, max_body_bytes, self.handle)
        self._paths: dict[str, Version] = {}
        self._generation = -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._routes = self._table()

    def _table(self) -> list[_Route]:
        ends = self._endpoints
        get, both, post = ("GET", "HEAD"), ("GET", "HEAD", "POST"), ("POST",)
        # Categories are those of the restrictions: as in tritonserver, `ready` is health.
        changing = (self._logging, self._control)
        rows: list[tuple[str, str, tuple[str, ...], Callable[..., Any]]] = [
            ("inference", rf"{_MODEL}/infer", post, self._infer_by_path),
            ("metadata", r"/v2", get, ends.server_metadata),
            ("health", r"/v2/health/live", get, lambda: True),
            ("health", r"/v2/health/ready", get, ends.server_ready),
            ("statistics", r"/v2/models/stats", get, lambda: ends.statistics("", "")),
            ("metadata", rf"{_MODEL}", get, ends.model_metadata),
            ("health", rf"{_MODEL}/ready", get, self._model_ready),
            ("model-config", rf"{_MODEL}/config", get, ends.model_config_json),
            ("statistics", rf"{_MODEL}/stats", get, ends.statistics),
            ("logging", r"/v2/logging", both, self._logging),
            ("model-repository", rf"{_REPOSITORY}/index", post, self._index),
            ("model-repository", rf"{_REPOSITORY}/models/(?P<model>[^/]+)/(?P<verb>load|unload)",
             post, self._control),
        ]  # fmt: skip
        return [
            _Route(re.compile(pattern), methods, handler, self._restricted.get(category),
                   handler in changing)
            for category, pattern, methods, handler in rows
        ]  # fmt: skip

    def handle(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        """Answer a request through `exchange`, now or later."""
        if self._generation != self._models.generation:
            self._paths.clear()
            self._generation = self._models.generation
        version = self._paths.get(request.head.path)
        try:
            if (
                version is not None
                and request.head.method == "POST"
                and self._restricted_inference is None
            ):
                self._inference.infer(version, request, exchange, started_ns)
            else:
                self._route(request, exchange, started_ns)
        except ServeError as error:
            respond_error(exchange, error)
        except Exception as error:  # whatever goes wrong, the client hears of it
            respond_error(exchange, bug(error))

    def _route(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        head = request.head
        for pattern, methods, handler, restriction, changes in self._routes:
            match = pattern.fullmatch(head.path)
            if match is None:
                continue
            if restriction is not None and not restriction.lets(
                head.headers.get(restriction.header)
            ):
                exchange.respond(403, JSON, [error_body(restriction.refusal)])
                return
            if head.method not in methods:
                allowed = (*JSON, ("Allow", ", ".join(methods)))
                exchange.respond(405, allowed, [error_body(f"{head.method} is not allowed here")])
                return
            if changes and (head.method == "POST" or len(request.body)):
                self._origins.refuse_foreign(
                    *map(head.headers.get, ("host", "origin", "sec-fetch-site"))
                )
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

    async def _answer_later(self, exchange: HttpProtocol, value: Coroutine[Any, Any, Any]) -> None:
        try:
            found = await value
            exchange.respond(200, JSON, [] if found is None else [orjson.dumps(found)])
        except ServeError as error:
            respond_error(exchange, error)
        except Exception as error:
            respond_error(exchange, bug(error))

    def _body(self, request: HttpRequest) -> Any:
        body = plain_body(request, self.max_body_bytes)
        if not len(body):
            return {}
        text = bytes(body)
        at_once(bounded(text))
        return object_of(parsed(text))

    # Models, repository and log

    def _model_ready(self, name: str, version: str) -> bool:
        if not self._endpoints.model_ready(name, version):
            raise invalid("Model version not ready")
        return True

    def _logging(self, _match: re.Match[str], body: dict[str, Any]) -> Any:
        return self._endpoints.logs.update(body)

    def _index(self, match: re.Match[str], body: dict[str, Any]) -> Any:
        _refuse_named_repository(match)
        ready = body.get("ready", False)
        if not isinstance(ready, bool):
            raise invalid("'ready' must be true or false")
        return self._endpoints.repository_index(ready=ready)

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
        self._inference.infer(version, request, exchange, started_ns)


def _segment(text: str | None) -> str:
    return unquote(text) if text else ""


def _refuse_named_repository(match: re.Match[str]) -> None:
    if match["repository"]:
        raise ServeError(Kind.UNSUPPORTED, "'repository_name' specification is not supported")
