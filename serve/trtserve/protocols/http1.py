"""HTTP/1.1 on the server's side, without I/O: bytes in, requests out; responses to bytes.

The head is parsed by httptools (llhttp), strictly, once: clients repeat their heads byte for
byte, and what a head says is decided by its bytes alone. Bodies are ours: `space` hands out the
memory that the rest of a body belongs in, so that the socket reads straight into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import httptools
import numpy as np

from trtserve.protocols.chunked import ChunkedBody
from trtserve.request import Buffer

MAX_HEAD_BYTES = 32 * 1024
_MAX_HEADERS = 128
_KNOWN_MAX = 512
_KNOWN_HEAD_BYTES = 2048
# Bodies up to this size are cut out of what was read; larger ones get memory of their own.
_SMALL_BODY_BYTES = 64 * 1024


class HttpError(Exception):
    """The peer does not speak HTTP as it must: answer `status` and close."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Head(NamedTuple):
    """Request line and headers; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep_alive: bool
    content_length: int
    chunked: bool
    expects_continue: bool
    infer_header_length: int | None  # Inference-Header-Content-Length


class HttpRequest(NamedTuple):
    """One whole request."""

    head: Head
    body: Buffer


class _HeadParser:
    """Collects what httptools calls back."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[str, str]] = []
        self.done = False
        self.keep_alive = True
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        self.done = True
        # Here, as llhttp forgets "Connection: close" once the message is complete.
        self.keep_alive = self.parser.should_keep_alive()


def parse_head(data: bytes) -> Head:
    """A head, from the request line to its empty line. Raises `HttpError`."""
    collected = _HeadParser()
    try:
        collected.parser.feed_data(data)
        url = httptools.parse_url(collected.url)
    except httptools.HttpParserUpgrade:
        raise HttpError(400, "protocol upgrades are not served") from None
    except (httptools.HttpParserError, httptools.HttpParserInvalidURLError) as error:
        raise HttpError(400, f"no HTTP/1.1 request: {error}") from None
    if not collected.done or collected.parser.get_method() == b"CONNECT":
        raise HttpError(400, "no HTTP/1.1 request")
    if len(collected.headers) > _MAX_HEADERS:
        raise HttpError(431, f"more than {_MAX_HEADERS} headers")
    return _head(collected, url)


def _head(collected: _HeadParser, url: Any) -> Head:
    headers = dict(collected.headers)
    coding = headers.get("transfer-encoding", "").lower()
    if coding and coding != "chunked":
        raise HttpError(501, f"transfer coding '{coding}' is not served, only 'chunked'")
    if coding and "content-length" in headers:
        # Two lengths are how requests are smuggled past proxies (RFC 9112, section 6.3).
        raise HttpError(400, "both Content-Length and Transfer-Encoding are given")
    if sum(name == "content-length" for name, _ in collected.headers) > 1:
        raise HttpError(400, "Content-Length is given twice")
    version = collected.parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise HttpError(505, f"HTTP/{version} is not served")
    return Head(
        method=collected.parser.get_method().decode(),
        path=(url.path or b"/").decode("latin-1"),
        query=(url.query or b"").decode("latin-1"),
        headers=headers,
        keep_alive=collected.keep_alive,
        content_length=_number(headers, "content-length") or 0,
        chunked=bool(coding),
        expects_continue=headers.get("expect", "").lower() == "100-continue",
        infer_header_length=_number(headers, "inference-header-content-length"),
    )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HttpError(400, f"header {name} must be a length in bytes, got '{text[:40]}'")
    return int(text)


_known: dict[bytes, Head] = {}


def known_head(data: bytes) -> Head:
    """`parse_head`, remembered. Raises `HttpError`."""
    head = _known.get(data)
    if head is None:
        head = parse_head(data)
        if len(data) <= _KNOWN_HEAD_BYTES:
            if len(_known) >= _KNOWN_MAX:
                _known.clear()
            _known[data] = head
    return head


class RequestReader:
    """One connection's bytes to requests, in order.

    Give it what was read with `receive` (or read into `space` and say `filled`), then take
    requests with `next_request` until it gives None.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._data = b""
        self._head: Head | None = None  # its body is being read
        self._body: memoryview | None = None
        self._filled = 0
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

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""
        self._data = self._data + data if self._data else data

    def space(self) -> memoryview | None:
        """Where the next bytes of the body belong; None: give them to `receive`."""
        return None if self._body is None else self._body[self._filled :]

    def filled(self, count: int) -> None:
        """`count` bytes were read into `space`."""
        self._filled += count

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
                return None
            # Empty lines before a request line are to be skipped (RFC 9112, section 2.2).
            self._data = data.lstrip(b"\r\n")
            return self._take_head() if self._data else None
        if end > MAX_HEAD_BYTES:
            raise HttpError(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        head = known_head(data[: end + 4])
        if head.content_length > self._max_body_bytes:
            raise HttpError(413, self._too_large())
        self._data = data[end + 4 :]
        self._head = head
        if head.chunked:
            self._chunks = ChunkedBody(self._max_body_bytes)
        self.continue_wanted = head.expects_continue and not self._data
        return head

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
        if length > _SMALL_BODY_BYTES:
            # numpy leaves the memory untouched: a promised body costs nothing until it comes.
            self._body = np.empty(length, np.uint8).data
            self._filled = len(data)
            self._body[: self._filled] = data
            self._data = b""
        return None

    def _take_filled(self, head: Head) -> HttpRequest | None:
        body = self._body
        assert body is not None
        if self._filled < len(body):
            return None
        self._head = self._body = None
        self._filled = 0
        return HttpRequest(head, body)

    def _take_chunked(self, head: Head) -> HttpRequest | None:
        chunks = self._chunks
        assert chunks is not None
        try:
            self._data = chunks.receive(self._data)
        except ValueError as error:
            raise HttpError(400, f"the chunked body is broken: {error}") from None
        if chunks.size > self._max_body_bytes:
            raise HttpError(413, self._too_large())
        if not chunks.done:
            return None
        self._head = self._chunks = None
        return HttpRequest(head, chunks.body())


_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def response_head(
    status: int, headers: Iterable[tuple[str, str]], length: int, *, keep_alive: bool
) -> bytes:
    """Status line and headers of a response with a body of `length` bytes."""
    lines = [_STATUS_LINES[status]]
    lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    lines.append(b"Content-Length: %d\r\n\r\n" % length)
    return b"".join(lines)


_INFER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
)
_INFER_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def infer_head(header_length: int, parts: Sequence[Buffer]) -> bytes:
    """The head of a good answer to an inference request; `header_length` -1: all JSON."""
    total = sum(map(len, parts))
    if header_length < 0:
        return _INFER_JSON % total
    return _INFER % (header_length, total)
