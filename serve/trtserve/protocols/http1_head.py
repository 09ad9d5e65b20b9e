"""The head of an HTTP/1.1 request: parsed by httptools (llhttp), strictly, once.

Clients repeat their heads byte for byte, and what a head says is decided by its bytes alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import httptools

MAX_HEAD_BYTES = 32 * 1024
_MAX_HEADERS = 128
_KNOWN_MAX = 512
_KNOWN_HEAD_BYTES = 2048
# Who reads one of these otherwise than we do sees another request: none may come twice.
_ONCE = frozenset(("content-length", "transfer-encoding", "content-encoding", "host",
                   "inference-header-content-length"))  # fmt: skip


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
    version: str  # 1.0 or 1.1
    keep_alive: bool
    content_length: int
    chunked: bool
    expects_continue: bool
    infer_header_length: int | None  # Inference-Header-Content-Length
    raw: bytes  # all of it, to its empty line


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
        # Upgrades may be passed over (RFC 9110, section 7.8): Java's client and `curl --http2`
        # offer one with every first request. CONNECT is one too, and refused below.
        with contextlib.suppress(httptools.HttpParserUpgrade):
            collected.parser.feed_data(data)
        url = httptools.parse_url(collected.url)
    except (httptools.HttpParserError, httptools.HttpParserInvalidURLError) as error:
        raise HttpError(400, f"no HTTP/1.1 request: {error}") from None
    if not collected.done or collected.parser.get_method() == b"CONNECT":
        raise HttpError(400, "no HTTP/1.1 request")
    if len(collected.headers) > _MAX_HEADERS:
        raise HttpError(431, f"more than {_MAX_HEADERS} headers")
    return _head(data, collected, url)


def _head(data: bytes, collected: _HeadParser, url: Any) -> Head:
    headers = dict(collected.headers)
    if len(headers) < len(collected.headers):
        _refuse_twice([name for name, _ in collected.headers])
    version = collected.parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise HttpError(505, f"HTTP/{version} is not served")
    coding = headers.get("transfer-encoding", "").lower()
    if coding and coding != "chunked":
        raise HttpError(501, f"transfer coding '{coding}' is not served, only 'chunked'")
    if coding and "content-length" in headers:
        # Two lengths are how requests are smuggled past proxies (RFC 9112, section 6.3).
        raise HttpError(400, "both Content-Length and Transfer-Encoding are given")
    if coding and version == "1.0":
        raise HttpError(400, "HTTP/1.0 has no Transfer-Encoding")
    return Head(
        method=collected.parser.get_method().decode(),
        path=(url.path or b"/").decode("latin-1"),
        query=(url.query or b"").decode("latin-1"),
        headers=headers,
        version=version,
        keep_alive=collected.keep_alive,
        content_length=_number(headers, "content-length") or 0,
        chunked=bool(coding),
        # Clients of HTTP/1.0 know no interim answers (RFC 9110, section 10.1.1).
        expects_continue=version == "1.1" and headers.get("expect", "").lower() == "100-continue",
        infer_header_length=_number(headers, "inference-header-content-length"),
        raw=data,
    )


def _refuse_twice(names: list[str]) -> None:
    for name in _ONCE.intersection(names):
        if names.count(name) > 1:
            raise HttpError(400, f"header {name} is given twice")


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
