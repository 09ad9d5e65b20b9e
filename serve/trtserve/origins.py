"""Requests that change the server are its own users', not those of pages of other sites.

A browser sends what any page asks it to, to servers that only its own machine can reach too, and
a page that has its name resolve to such a server (DNS rebinding) is of the server's own site for
the browser. What a page cannot choose are the headers `Host`, `Origin` and `Sec-Fetch-Site`
(Fetch Standard, 'forbidden request-header'; W3C Fetch Metadata). Clients that are no browsers send
neither of the last two, and pass.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from trtserve.errors import Kind, ServeError

_PORTS = {"http": 80, "https": 443}
# What a browser says of a page of the same scheme, host and port, and of what its user typed.
_OWN_SITE = ("same-origin", "none")


class Origins:
    """The names that a server is known by."""

    def __init__(self, allowed: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        """`own`: besides localhost, all addresses and what the machine calls itself.

        `allowed`: names that the user vouches for; pages of theirs may come from any port.
        """
        self._allowed = frozenset(map(_plain, allowed))
        self._own = self._allowed | {_plain(name) for name in (socket.gethostname(), *own)}

    def refuse_foreign(self, host: str | None, origin: str | None, site: str | None) -> None:
        """Raise `ServeError` for a request whose headers show that a foreign page has sent it.

        Arguments: the headers Host, Origin and Sec-Fetch-Site; None where they are not there.
        """
        if host is not None and not self._is_own(_split(host)[0]):
            raise _foreign(f"it was sent to '{host[:100]}', which is no name of this server", host)
        if origin is not None:
            if (name := _split_origin(origin)[0]) in self._allowed:
                return
            if host is None or not _same(origin, host):
                raise _foreign(f"a page of '{origin[:100]}' has sent it", name)
        if site is not None and site not in _OWN_SITE:
            raise _foreign(f"a page of another site has sent it ({site[:100]})", "")

    def _is_own(self, name: str) -> bool:
        """Whether no other site can have this name: nobody's name resolves to itself elsewhere."""
        return (
            name in self._own
            or name == "localhost"
            or name.endswith(".localhost")  # RFC 6761, section 6.3
            or _is_address(name)  # the page itself would come from there
        )


def _foreign(why: str, name: str) -> ServeError:
    known = (
        f"--allow-host {_split(name)[0][:100]}" if name and name != "null" else "--allow-host NAME"
    )
    return ServeError(
        Kind.FORBIDDEN,
        f"this request would change the server, and {why}; if clients are to reach it like that, "
        f"start it with {known}",
    )


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _split(host: str) -> tuple[str, int | None]:
    """The name and the port of a Host header."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdecimal() and len(port) < 6 and name[-1:] != ":":
        return _plain(name), int(port)
    return _plain(host), None


def _split_origin(origin: str) -> tuple[str, int | None]:
    """The name and the port of an Origin header; "null" has neither."""
    try:
        parts = urlsplit(origin)
        return _plain(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None


def _same(origin: str, host: str) -> bool:
    """Whether a page's origin is the server that it asks."""
    name, port = _split_origin(origin)
    asked, asked_port = _split(host)
    usual = _PORTS.get(origin.partition(":")[0])
    return bool(name) and (name, port) == (asked, usual if asked_port is None else asked_port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
