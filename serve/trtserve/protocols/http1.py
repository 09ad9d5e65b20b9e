"""HTTP/1.1 on the server's side, without I/O: bytes in, requests out; responses to bytes.

Bodies go where they belong at once: `space` hands out the memory that the rest of a body needs,
so that the socket reads straight into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

from trtserve.protocols.arriving import Arriving
from trtserve.protocols.budget import Budget, Share
from trtserve.protocols.chunked import ChunkedBody
from trtserve.protocols.http1_head import MAX_HEAD_BYTES, Head, HttpError, known_head
from trtserve.request import Buffer

# Bodies up to this size are cut out of what was read; larger ones get memory of their own.
SMALL_BODY_BYTES = 64 * 1024


class HttpRequest(NamedTuple):
    """One whole request."""

    head: Head
    body: Buffer


class RequestReader:
    """One connection's bytes to requests, in order.

    Give it what was read with `receive` (or read into `space` and say `filled`), then take
    requests with `next_request` until it gives None.
    """

    def __init__(self, max_body_bytes: int, budget: Budget | None = None) -> None:
        self._max_body_bytes = max_body_bytes
        self._budget = budget or Budget()
        self._share = Share(self._budget)  # of the body being read, then of the request under way
        self._data = b""
        self._head: Head | None = None  # its body is being read
        self._body: Arriving | None = None
        self._chunks: ChunkedBody | None = None
        self.continue_wanted = False  # the client waits for "100 Continue" before its body

    @property
    def idle(self) -> bool:
        """Nothing of a request is here yet."""
        return self._head is None and not self._data

    @property
    def buffered_bytes(self) -> int:
        """How much was received that no request has been made of."""
        return len(self._data)

    @property
    def received_bytes(self) -> int:
        """How much has come of the request that is being read."""
        chunked = 0 if self._chunks is None else self._chunks.received
        arrived = 0 if self._body is None else self._body.filled
        return len(self._data) + arrived + chunked

    def hold(self, count: int) -> None:
        """The request under way takes `count` bytes of memory. Raises `HttpError`."""
        if not self._share.grow(count, count):
            raise HttpError(503, self._budget.refusal)

    def release(self) -> None:
        """The request under way was answered, or nobody waits for its answer any more."""
        if self._share.held_bytes:
            self._share.set(0)

    def abandon(self) -> None:
        """No request comes of what is here."""
        self._head = self._body = self._chunks = None
        self._data = b""
        self.release()

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""
        self._data = self._data + data if self._data else data

    def space(self) -> memoryview | None:
        """Where the next bytes of the body belong; None: give them to `receive`."""
        body = self._body
        return None if body is None or body.filled == body.length else body.space

    def filled(self, count: int) -> None:
        """`count` bytes were read into `space`."""
        body = self._body
        assert body is not None
        body.advance(count)

    def begin(self, head: Head, length: int) -> None:
        """A request has begun whose head is known; of its body, `length` bytes are still to come.

        They are what the request is given as its body. `length` is more than 0.
        """
        self._head = head
        self._body = Arriving(length, staged=False)  # it came whole twice

    def next_request(self) -> HttpRequest | None:
        """The next whole request, None until there is one. Raises `HttpError`."""
        head = self._head
        if head is None:
            head = self._take_head()
            if head is None:
                return None
        if self._chunks is not None:
            return self._take_chunked(head)
        if self._body is not None:
            return self._take_filled(head)
        return self._take_body(head)

    def _take_head(self) -> Head | None:
        data = self._data
        end = data.find(b"\r\n\r\n")
        if end <= 0:
            if end < 0 and not data.startswith(b"\r\n"):
                if len(data) > MAX_HEAD_BYTES:
                    raise HttpError(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
                _refuse_bare_newline(data)
                return None
            # Empty lines before a request line are to be skipped (RFC 9112, section 2.2).
            self._data = data.lstrip(b"\r\n")
            return self._take_head() if self._data else None
        if end > MAX_HEAD_BYTES:
            raise HttpError(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        head = known_head(data[: end + 4])
        if head.content_length > self._max_body_bytes:
            raise HttpError(413, self._too_large())
        if self._budget.full and (head.content_length or head.chunked):
            raise HttpError(503, self._budget.refusal)  # not for probes, which have no body
        self._head = head
        body = memoryview(data)[end + 4 :]
        self.continue_wanted = head.expects_continue and not body
        if head.chunked:
            self._chunks = ChunkedBody(self._max_body_bytes)
        elif len(body) < head.content_length > SMALL_BODY_BYTES:
            self._begin_body(body, head.content_length)
            return head
        self._data = bytes(body)
        return head

    def _begin_body(self, data: memoryview, length: int) -> None:
        self._body = Arriving(length)
        self._body.add(data)
        self._data = b""
        self._charge(len(data), length)

    def _too_large(self) -> str:
        return f"the body is larger than the {self._max_body_bytes} bytes that are allowed"

    def _take_body(self, head: Head) -> HttpRequest | None:
        data, length = self._data, head.content_length
        if len(data) >= length:
            self._head = None
            if len(data) == length:
                self._data = b""
                return HttpRequest(head, data)
            self._data = data[length:]
            return HttpRequest(head, data[:length])
        return None

    def _charge(self, received: int, at_most: int) -> None:
        if not self._share.grow(received, at_most):
            raise HttpError(503, self._budget.refusal)

    def _take_filled(self, head: Head) -> HttpRequest | None:
        body = self._body
        assert body is not None
        if body.filled > self._share.held_bytes:
            self._charge(body.filled, body.length)
        if body.filled < body.length:
            return None
        self._head = self._body = None
        return HttpRequest(head, body.memory)

    def _take_chunked(self, head: Head) -> HttpRequest | None:
        chunks = self._chunks
        assert chunks is not None
        try:
            self._data = chunks.receive(self._data)
        except ValueError as error:
            raise HttpError(400, f"the chunked body is broken: {error}") from None
        if chunks.size > self._max_body_bytes:
            raise HttpError(413, self._too_large())
        if chunks.received > SMALL_BODY_BYTES:
            self._charge(chunks.received, self._max_body_bytes)
        if not chunks.done:
            return None
        self._head = self._chunks = None
        return HttpRequest(head, chunks.body())


def _refuse_bare_newline(data: bytes) -> None:
    """A line that ends without CR never ends a head: say so at once, and never guess."""
    if data.count(b"\n") != data.count(b"\r\n"):
        raise HttpError(400, "lines of a head must end with CR LF")


_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"Connection: close\r\n"


def response_head(
    status: int, headers: Iterable[tuple[str, str]], length: int, *, keep_alive: bool
) -> bytes:
    """Status line and headers of a response with a body of `length` bytes."""
    lines = [_STATUS_LINES[status]]
    lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    if not keep_alive:
        lines.append(CLOSE)
    lines.append(b"Content-Length: %d\r\n\r\n" % length)
    return b"".join(lines)


_INFER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
)
_INFER_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def infer_head(header_length: int | None, total: int) -> bytes:
    """The head of a good answer of `total` bytes to an inference request.

    `header_length`: how many of them are JSON; None: all.
    """
    if header_length is None:
        return _INFER_JSON % total
    return _INFER % (header_length, total)
