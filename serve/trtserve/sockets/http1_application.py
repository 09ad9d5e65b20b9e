"""What an HTTP/1.1 connection asks of whoever serves its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trtserve.protocols.http1 import HttpRequest
from trtserve.request import Buffer

if TYPE_CHECKING:
    from trtserve.sockets.http1 import HttpProtocol


class Again(Protocol):
    """A request that came before, but for the end of its body: how to serve it in one step."""

    start: bytes  # its head and what its body begins with
    total: int  # bytes of head and body
    large: bool  # the body gets memory of its own
    request: HttpRequest

    @property
    def current(self) -> bool:
        """Its bytes mean what they meant: no model has come or gone since."""

    def serve(self, data: Buffer, started_ns: int) -> bool:
        """Serve it, given all its bytes, or if it is large those behind `start`.

        False: it has to be handled anew.
        """


class HttpApplication(Protocol):
    """Who serves the requests."""

    max_body_bytes: int

    def handle(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        """Answer `request` through `exchange.respond` or `exchange.write`, now or later."""
