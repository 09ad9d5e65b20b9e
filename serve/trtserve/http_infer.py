"""Inference over HTTP: a request's body into a model's queue, the model's answer onto the wire.

Clients repeat themselves: from the third request on, a connection knows the head and the JSON by
their bytes, and takes the tensors behind them only (`Again`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError
from trtserve.protocols.compression import accepted, compressed, decompressed
from trtserve.protocols.http1 import SMALL_BODY_BYTES, HttpRequest
from trtserve.protocols.large_json import LARGE_BYTES, Steps
from trtserve.protocols.v2_json import HttpAnswer, error_body
from trtserve.request import Buffer, Call, Form, InferRequest, InferResponse
from trtserve.sockets.http1 import JSON, HttpProtocol
from trtserve.sockets.http1_application import Again
from trtserve.tensors import COPY_BYTES
from trtserve.version import Version

_log = logging.getLogger("trtserve")
_BINARY = "application/octet-stream"
_MAX_JSON_BYTES = 64 * 1024
# Who sends one of these wants more than the tensors back as they are.
_SPECIAL = ("accept-encoding", "content-encoding", "expect")


class HttpInference:
    """The requests to all models over HTTP."""

    def __init__(
        self, endpoints: Endpoints, max_body_bytes: int,
        handle: Callable[[HttpRequest, HttpProtocol, int], None],
    ) -> None:  # fmt: skip
        self._endpoints = endpoints
        self._models = endpoints.models
        self._max_body_bytes = max_body_bytes
        self._handle = handle  # finds a request's version anew
        self._turn = asyncio.Lock()  # of all large requests one goes a step at a time
        self._tasks: set[asyncio.Task[None]] = set()

    def infer(
        self, version: Version, request: HttpRequest, exchange: HttpProtocol, started_ns: int
    ) -> None:
        """Queue a request; its answer goes to `exchange`. Raises `ServeError`."""
        head = request.head
        if not self._endpoints.ready:
            raise self._endpoints.not_ready()
        body = request.body
        if "content-encoding" in head.headers:
            body = plain_body(request, self._max_body_bytes)
            exchange.hold(len(body))
        if len(body) > LARGE_BYTES:
            length = len(body) if head.infer_header_length is None else head.infer_header_length
            if LARGE_BYTES < length <= len(body):
                steps = version.codec.decode_large(body, length)
                self._begin(
                    self._infer_large(version, request, steps, exchange, started_ns), exchange
                )
                return
        call, data = version.codec.decode(body, head.infer_header_length)
        coding = head.headers.get("accept-encoding")
        if exchange.last_call is not call:
            exchange.last_call = call
        elif (
            exchange.expected is None
            or exchange.expected.request.head is not head
            or not exchange.expected.current
        ):
            exchange.expected = self._again(version, call, request, exchange)
        infer = InferRequest(call, data, _reply, started_ns, (exchange, version, coding))
        exchange.on_cancel = (version.runner.cancel, infer)
        version.submit(infer)

    def _begin(self, work: Coroutine[Any, Any, None], exchange: HttpProtocol) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        exchange.on_cancel = (asyncio.Task.cancel, task)

    async def _infer_large(
        self, version: Version, request: HttpRequest, steps: Steps, exchange: HttpProtocol,
        started_ns: int,
    ) -> None:  # fmt: skip
        """As `infer`, for JSON that takes long to read: others are served between its pieces."""
        generation = self._models.generation
        try:
            call, data = await self._decoded(steps, exchange)
            if generation != self._models.generation:  # the version may be gone meanwhile
                self._handle(request, exchange, started_ns)
                return
            coding = request.head.headers.get("accept-encoding")
            infer = InferRequest(call, data, _reply, started_ns, (exchange, version, coding))
            exchange.on_cancel = (version.runner.cancel, infer)
            version.submit(infer)
        except ServeError as error:
            respond_error(exchange, error)
        except Exception as error:  # whatever goes wrong, the client hears of it
            respond_error(exchange, bug(error))

    async def _decoded(self, steps: Steps, exchange: HttpProtocol) -> Any:
        """Go through `steps`. Raises `ServeError`, also where there is no memory for them."""
        while True:
            async with self._turn:
                try:
                    held_bytes = next(steps)
                except StopIteration as end:
                    return end.value
                if held_bytes:
                    exchange.hold(held_bytes)
            await asyncio.sleep(0)

    def _again(
        self, version: Version, call: Call, request: HttpRequest, exchange: HttpProtocol
    ) -> Again | None:
        """How to serve a request like this one, should it come again.

        A call that is the same object twice was made of the JSON's bytes alone, and all of its
        tensors are behind them.
        """
        head, body = request
        if not head.keep_alive or head.chunked:
            return None
        if any(name in head.headers for name in _SPECIAL):
            return None
        json_bytes = len(body) - sum(call.sizes)
        if json_bytes > _MAX_JSON_BYTES:
            return None
        start = head.raw + bytes(body[:json_bytes])
        return _Repeated(version, call, start, HttpRequest(head, b""), exchange,
                         endpoints=self._endpoints)  # fmt: skip


class _Repeated:
    """A request on one connection that is known but for its tensors."""

    def __init__(
        self, version: Version, call: Call, start: bytes, request: HttpRequest,
        exchange: HttpProtocol, *, endpoints: Endpoints,
    ) -> None:  # fmt: skip
        """`start`: the head and the JSON, behind which the tensors are; `request`: the head."""
        self.start = start
        self.total = len(start) + sum(call.sizes)
        self.large = sum(call.sizes) > SMALL_BODY_BYTES
        self.request = request
        self._call = call
        self._exchange = exchange
        self._submit = version.submit
        self._version = version
        # A connection serves one request at a time: this one is used again when it was answered.
        self._infer = InferRequest(call, (), None, 0, (exchange, version, None))
        self._on_cancel = (version.runner.cancel, self._infer)
        self._endpoints = endpoints
        self._models = endpoints.models
        self._generation = self._models.generation
        self._form: Form | None = None  # of the last answer, where only data changes
        self._known = b""  # what stands before that data
        self._views = self.total > COPY_BYTES
        at, self._spans = 0 if self.large else len(start), []
        for size in call.sizes:
            self._spans.append(slice(at, at + size))
            at += size

    @property
    def current(self) -> bool:
        """Its path means the version that it meant."""
        return self._generation == self._models.generation and self._endpoints.ready

    def serve(self, data: Buffer, started_ns: int) -> bool:
        """Queue it; False: its path may mean another version than before."""
        if self._generation != self._models.generation or not self._endpoints.ready:
            return False
        source = memoryview(data) if self._views else data
        spans = self._spans
        # Most models have one input, and a comprehension is a call of its own.
        tensors = [source[spans[0]]] if len(spans) == 1 else [source[span] for span in spans]
        request = self._infer
        request.data, request.started_ns, request.reply = tensors, started_ns, self._reply
        self._exchange.on_cancel = self._on_cancel
        try:
            self._submit(request)
        except ServeError as error:
            self._refused(error)
        except Exception as error:  # whatever goes wrong, the client hears of it
            self._refused(bug(error))
        return True

    def _refused(self, error: ServeError) -> None:
        request = self._infer
        request.reply = None  # which is of this object: a connection that is lost must be freed
        self._reply(request, error)

    def _reply(self, request: InferRequest, answer: InferResponse | ServeError) -> None:
        """As the function `_reply`, which knows nothing of the answer before."""
        request.data = ()  # idle connections keep no tensors
        if isinstance(answer, ServeError) or request.cancelled:
            _reply(request, answer)
        elif answer.form is not self._form:
            _reply(request, answer)
            start = self._version.codec.known_start(self._call, answer.form)
            if start is not None and len(answer.data) == 1:
                self._form, self._known = answer.form, start
        elif self.large:
            self._exchange.write(self._known, answer.data)
        else:
            self._exchange.write_again(self._known, answer.data[0])


def _reply(request: InferRequest, answer: InferResponse | ServeError) -> None:
    """Send the answer to an inference request."""
    exchange, version, coding = request.origin
    if request.cancelled:
        return
    if isinstance(answer, ServeError):
        # Not raised: as a local of a frame of its own traceback it would hold that and all below,
        # bodies among them, until the garbage collector comes.
        respond_error(exchange, answer)
        return
    try:
        encoded = version.codec.encode(request.call, answer)
    except ServeError as error:
        respond_error(exchange, error)
        return
    except Exception as error:  # whatever goes wrong, the client hears of it
        respond_error(exchange, bug(error))
        return
    chosen = accepted(coding) if coding is not None else ""
    if chosen:
        _respond_compressed(exchange, encoded, chosen)
    else:
        exchange.write(encoded.start, encoded.tensors or ())


def _respond_compressed(exchange: HttpProtocol, answer: HttpAnswer, coding: str) -> None:
    headers = [("Content-Encoding", coding)]
    if answer.tensors is None:
        headers += JSON
    else:
        headers += [("Content-Type", _BINARY),
                    ("Inference-Header-Content-Length", str(len(answer.header)))]  # fmt: skip
    parts = (answer.header, *(answer.tensors or ()))
    exchange.respond(200, headers, [compressed(parts, coding)])


def plain_body(request: HttpRequest, max_bytes: int) -> Buffer:
    """The body without its content coding. Raises `ServeError`."""
    coding = request.head.headers.get("content-encoding", "identity").strip().lower()
    if coding == "identity":
        return request.body
    return decompressed(request.body, coding, max_bytes)


def respond_error(exchange: HttpProtocol, error: ServeError) -> None:
    """Answer with an error as Triton's HTTP endpoints do."""
    exchange.respond(error.status.http, JSON, [error_body(error.message)])


def bug(error: Exception) -> ServeError:
    """What the client of a request that met a bug of ours is told; the log has the rest."""
    _log.error("a request failed", exc_info=error)
    return ServeError(Kind.INTERNAL, f"internal error: {type(error).__name__}")
