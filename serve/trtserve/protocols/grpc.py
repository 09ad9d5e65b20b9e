"""gRPC over HTTP/2 without I/O: calls with messages in, messages and a status out.

Source: grpc/doc/PROTOCOL-HTTP2.md. A message is a flag (compressed?), a 4-byte length and the
bytes. Most calls come as one DATA frame with one message, which stays a view of what was read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from trtserve.errors import Kind, ServeError, invalid
from trtserve.protocols.arriving import Arriving
from trtserve.protocols.budget import Budget, Share
from trtserve.protocols.compression import decompressed
from trtserve.protocols.grpc_status import bug, failure
from trtserve.protocols.headers import Headers, literal, status
from trtserve.protocols.http2_frames import ENHANCE_YOUR_CALM
from trtserve.protocols.http2_stream import Stream
from trtserve.protocols.own import own
from trtserve.request import Buffer

_HEADERS = status(200) + literal(b"content-type", b"application/grpc")
_OK = literal(b"grpc-status", b"0")
_CONTENT_TYPE = re.compile(rb"application/grpc(\+proto)?([ \t]*;|\Z)", re.IGNORECASE)
_HEALTH = b"/grpc.health."  # answered whatever the load: it decides whether the server may live
# Smaller messages are bounded by the number of requests that may wait.
_SMALL_BYTES = 4096
_LARGE_BYTES = 64 * 1024  # of answers: smaller ones are bounded by the calls that were let in
# Of a streaming call's answers that its client does not let through, each part an object of ours.
_MAX_UNSENT_BYTES = 4 << 20
_MAX_UNSENT_PARTS = 1024


class StreamHandler(Protocol):
    """Serves one streaming call."""

    def message(self, data: memoryview) -> None:
        """One of the request's messages."""

    def end(self) -> None:
        """The client sends no more."""

    def reset(self) -> None:
        """The client is gone."""


class Method(NamedTuple):
    """One RPC: exactly one of the first two is set."""

    unary: Callable[[GrpcCall, memoryview], None] | None = None
    stream: Callable[[GrpcCall], StreamHandler] | None = None
    check: Callable[[Headers], None] | None = None  # raises `ServeError` for who may not call it


class GrpcApplication:
    """The methods of all services; one for all connections."""

    def __init__(
        self, methods: Mapping[bytes, Method], max_message_bytes: int,
        budget: Budget | None = None, *, clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._methods = methods
        self.max_message_bytes = max_message_bytes
        self.budget = budget or Budget()
        self.clock_ns = clock_ns

    def stream_opened(self, stream: Stream, headers: Headers) -> GrpcCall:
        """Find the method of a new call, or refuse it."""
        call = GrpcCall(self, stream, headers)
        method = self._methods.get(headers[b":path"])
        if (
            method is None
            or headers[b":method"] != b"POST"
            or not _CONTENT_TYPE.match(headers.get(b"content-type", b""))
        ):
            self._refuse(call, headers)
        elif method.check is not None and not _may(call, method.check):
            pass  # it has failed
        elif self.budget.full and not headers[b":path"].startswith(_HEALTH):
            call.fail(ServeError(Kind.TOO_LARGE, self.budget.refusal))
        elif method.stream is not None:
            call.handler = method.stream(call)
        else:
            call.unary = method.unary
        return call

    def _refuse(self, call: GrpcCall, headers: Headers) -> None:
        if headers[b":method"] != b"POST":
            call.refuse_http(405)
        elif not _CONTENT_TYPE.match(headers.get(b"content-type", b"")):
            call.refuse_http(415)
        else:
            path = headers[b":path"].decode("latin-1")
            call.fail(ServeError(Kind.UNSUPPORTED, f"there is no method {path[:200]}"))


def _may(call: GrpcCall, check: Callable[[Headers], None]) -> bool:
    try:
        check(call.headers)
    except ServeError as error:
        call.fail(error)
        return False
    return True


class GrpcCall:
    """One call: takes the stream's bytes, hands whole messages on, sends the answer."""

    __slots__ = (
        "_application", "_body", "_compressed", "_message", "_prefix", "_share",
        "_started", "_stream", "cancelled", "handler", "headers", "on_cancel", "started_ns",
        "unary",
    )  # fmt: skip

    def __init__(self, application: GrpcApplication, stream: Stream, headers: Headers) -> None:
        self._application = application
        self._stream = stream
        self.headers = headers
        self.started_ns = application.clock_ns()
        self.unary: Callable[[GrpcCall, memoryview], None] | None = None
        self.handler: StreamHandler | None = None
        self.on_cancel: Callable[[], None] | None = None
        self.cancelled = False
        self._message: memoryview | None = None
        self._body: Arriving | None = None  # of a message that comes in pieces
        self._prefix = b""
        self._compressed = False
        self._share: Share | None = None  # of the budget, for messages that are not small
        self._started = False  # a streaming answer's headers are out

    # What comes in (http2.Receiver)

    def data(self, data: memoryview) -> None:
        """Some of the request's bytes; what can be written to will be, so none of it is kept."""
        if self._stream.local_closed:
            return
        if self._body is None and not self._prefix and len(data) >= 5 and self._message is None:
            length = int.from_bytes(data[1:5], "big")
            if length == len(data) - 5 and data[0] == 0:
                if self._allowed(length) and self._hold(length, length):
                    self._whole(data[5:] if data.readonly else memoryview(bytes(data[5:])))
                return
        self._assemble(data)

    def _assemble(self, data: memoryview) -> None:
        while len(data) and not self._stream.local_closed:
            if self._body is None:
                taken = 5 - len(self._prefix)
                self._prefix += bytes(data[:taken])
                data = data[taken:]
                if len(self._prefix) < 5 or not self._begin():
                    return
            body = self._body
            assert body is not None
            data = data[body.add(data) :]
            if not self._has_filled(body):
                return

    def _has_filled(self, body: Arriving) -> bool:
        if not self._hold(body.filled, body.length):
            return False
        if body.filled == body.length:
            self._body = None
            self._complete(body.memory)
        return True

    def space(self) -> memoryview | None:
        """Where the next of the request's bytes belong, None where that is not known."""
        return None if self._body is None else self._body.space

    def filled(self, count: int) -> None:
        """`count` bytes were written into `space`."""
        body = self._body
        assert body is not None
        body.advance(count)
        self._has_filled(body)

    def _begin(self) -> bool:
        length = int.from_bytes(self._prefix[1:5], "big")
        if self._prefix[0] > 1:
            self.fail(invalid(f"a message has the flag {self._prefix[0]}; there are 0 and 1"))
            return False
        if not self._allowed(length):
            return False
        self._compressed = bool(self._prefix[0])
        self._prefix = b""
        if length == 0:
            self._complete(memoryview(b""))
            return False
        self._body = Arriving(length)
        return True

    def _allowed(self, length: int) -> bool:
        limit = self._application.max_message_bytes
        if length > limit:
            self.fail(
                ServeError(
                    Kind.TOO_LARGE, f"Received message larger than max ({length} vs. {limit})"
                )
            )
        return length <= limit

    def _hold(self, needed: int, at_most: int) -> bool:
        """Take room for `needed` bytes of a message; if there is none, the call fails."""
        return needed <= _SMALL_BYTES or self._take(needed, at_most)

    def _take(self, needed: int, at_most: int) -> bool:
        budget = self._application.budget
        if self._share is None:
            self._share = Share(budget)
        fits = self._share.grow(needed, at_most)
        if not fits:
            self.fail(ServeError(Kind.TOO_LARGE, budget.refusal))
        return fits

    def _release(self) -> None:
        if self._share is not None:
            self._share.set(0)
            self._share = None

    def _complete(self, body: memoryview) -> None:
        if self._compressed:
            try:
                body = self._decompressed(body)
            except ServeError as error:
                self.fail(error)
                return
            if not self._hold(len(body), len(body)):
                return
        self._whole(body)

    def _decompressed(self, body: memoryview) -> memoryview:
        coding = self.headers.get(b"grpc-encoding", b"identity").decode("latin-1")
        if coding == "identity":
            raise invalid("a message is marked as compressed, but grpc-encoding names no coding")
        return memoryview(decompressed(body, coding, self._application.max_message_bytes))

    def _whole(self, message: memoryview) -> None:
        if self.handler is not None:
            self.handler.message(message)
            self._release()
        elif self._message is not None:
            self.fail(ServeError(Kind.UNSUPPORTED, "a unary call takes one message, not more"))
        else:
            self._message = message

    def end(self) -> None:
        """The request is whole."""
        if self._stream.local_closed:
            return
        if self._prefix or self._body is not None:
            self.fail(invalid("the request ends within a message"))
        elif self.handler is not None:
            self.handler.end()
        elif self._message is None:
            self.fail(ServeError(Kind.UNSUPPORTED, "a unary call takes one message, not none"))
        else:
            assert self.unary is not None
            message, self._message = self._message, None
            try:
                self.unary(self, message)
            except ServeError as error:
                self.fail(error)
            except Exception as error:  # whatever goes wrong, the client hears of it
                self.fail(bug(error))

    @property
    def unfinished(self) -> bool:
        """More of a message, or the message of a unary call, has to come."""
        if self._stream.local_closed:
            return False
        return self.handler is None or bool(self._prefix) or self._body is not None

    def settle(self) -> None:
        """The request has been in coming for a while: what it holds is its own, and counted."""
        if self._message is not None:
            self._message = own(self._message)
            self._take(len(self._message), len(self._message))

    @property
    def received_bytes(self) -> int:
        """Bytes of the message that is coming."""
        return len(self._prefix) + (0 if self._body is None else self._body.filled)

    def reset(self) -> None:
        """The client is gone."""
        self.cancelled = True
        cancel = self.on_cancel
        self._drop()
        if cancel is not None:
            cancel()

    # What goes out

    def reply(self, parts: Sequence[Buffer]) -> None:
        """The one message of a unary call, in parts, and status OK."""
        if not self._stream.local_closed:
            length = sum(map(len, parts))
            budget = self._application.budget
            if length > _LARGE_BYTES and budget.full:
                self.fail(ServeError(Kind.TOO_LARGE, budget.refusal))
                return
            prefix = b"\x00" + length.to_bytes(4, "big")
            self._drop()
            self._stream.respond(_HEADERS, (prefix, *parts), _OK)

    def start(self) -> None:
        """Begin a streaming answer."""
        if not self._stream.local_closed:
            self._started = True
            self._stream.send_headers(_HEADERS)

    def send(self, message: bytes) -> None:
        """One message of a streaming answer, after `start`.

        Whoever asks on and lets no answer through is cut off: the answers would pile up here.
        """
        stream = self._stream
        if stream.local_closed:
            return
        if stream.pending and (
            self._application.budget.full
            or stream.unsent_bytes > _MAX_UNSENT_BYTES
            or len(stream.pending) > _MAX_UNSENT_PARTS
        ):
            stream.give_up(ENHANCE_YOUR_CALM)  # RESOURCE_EXHAUSTED, in gRPC's words
            return
        stream.send_data([b"\x00" + len(message).to_bytes(4, "big") + message])

    def finish(self) -> None:
        """End a streaming answer, after `start`."""
        if not self._stream.local_closed:
            self._drop()
            self._stream.send_trailers(_OK)

    def fail(self, error: ServeError) -> None:
        """Status and message of an error; before `start` nothing else ("trailers only")."""
        if self._stream.local_closed:
            return
        self._drop()
        if self._started:
            self._stream.send_trailers(failure(error))
        else:
            self._stream.send_headers(_HEADERS + failure(error), end=True)

    def _drop(self) -> None:
        """Of a call that has its answer nothing is wanted any more, nor by its handler."""
        self._release()
        handler, self.handler = self.handler, None  # which knows the call
        if handler is not None:
            handler.reset()
        self.on_cancel = None  # which knows the request, and so its tensors
        self._message = self._body = None
        self._prefix = b""

    def refuse_http(self, code: int) -> None:
        """An answer to what is no gRPC call."""
        self._drop()
        self._stream.send_headers(status(code), end=True)
