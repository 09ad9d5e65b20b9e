"""HTTP/2 header blocks: decoded by hpack, judged once, remembered while they mean the same.

A block that adds nothing to the dynamic table means the same until some other block changes that
table; clients send such blocks with every call but the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hpack import Decoder, HPACKError
from hpack.exceptions import OversizedHeaderListError

MAX_LIST_BYTES = 64 * 1024
_KNOWN_MAX = 64
_KNOWN_BLOCK_BYTES = 2048
_BAD_NAME = re.compile(rb"[\x00-\x20A-Z\x7f-\xff]|.:", re.DOTALL)
_BAD_VALUE = re.compile(rb"[\0\r\n]|^[ \t]|[ \t]\Z")
_PSEUDO = frozenset((b":method", b":path", b":scheme", b":authority"))
_ONCE = frozenset((b"host", b"content-length"))
_CONNECTION_SPECIFIC = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)

Headers = Mapping[bytes, bytes]


class MalformedError(Exception):
    """A header list that RFC 9113 (section 8) forbids: the stream is at fault."""


class CompressionError(Exception):
    """A block that is no HPACK: the table is lost, and with it the connection."""


class OversizedError(Exception):
    """A header list larger than `MAX_LIST_BYTES`."""


class HeaderDecoder:
    """The header blocks of one connection, in order."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_LIST_BYTES)
        self._known: dict[bytes, Headers] = {}

    def known(self, block: bytes) -> Headers | None:
        """The request's headers if this very block came before and still means the same."""
        return self._known.get(block)

    def request(self, block: bytes) -> Headers:
        """A request's headers. Raises `CompressionError`, `OversizedError`, `MalformedError`."""
        fields = self._decoded(block)
        changes = changes_table(block)
        if changes:
            self._known.clear()
        headers = _request(fields)
        if not changes and len(block) <= _KNOWN_BLOCK_BYTES:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[block] = headers
        return headers

    def trailers(self, block: bytes) -> None:
        """A request's trailers: nothing here reads them, but the table has to follow them."""
        fields = self._decoded(block)
        if changes_table(block):
            self._known.clear()
        for name, value in fields:
            if name.startswith(b":"):
                raise MalformedError("a pseudo-header among trailers")
            _check_field(name, value)

    def _decoded(self, block: bytes) -> list[tuple[bytes, bytes]]:
        try:
            return [
                (bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)
            ]
        except OversizedHeaderListError as error:
            raise OversizedError(str(error)) from None
        except (HPACKError, IndexError, UnicodeDecodeError) as error:
            raise CompressionError(str(error)) from None


def _request(fields: list[tuple[bytes, bytes]]) -> Headers:
    headers: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name not in _PSEUDO or name in headers:
                raise MalformedError(f"pseudo-header {name!r} is unknown, late or given twice")
        else:
            regular = True
            if name in _ONCE and headers.get(name, value) != value:
                raise MalformedError(f"header {name!r} is given twice")
        _check_field(name, value)
        headers[name] = value
    _check_request(headers)
    return headers


def _check_field(name: bytes, value: bytes) -> None:
    """RFC 9113, sections 8.2.1 and 8.2.2."""
    if not name or name in _CONNECTION_SPECIFIC or _BAD_NAME.search(name):
        raise MalformedError(f"header {name!r} has no place in HTTP/2")
    if _BAD_VALUE.search(value):
        raise MalformedError(f"the value of {name!r} has bytes that have no place there")
    if name == b"te" and value.lower() != b"trailers":
        raise MalformedError("'te' may only say 'trailers'")


def _check_request(headers: dict[bytes, bytes]) -> None:
    """RFC 9113, sections 8.1.1 and 8.3.1."""
    if headers.get(b":method") == b"CONNECT":  # what it connects to stands in :authority alone
        if b":path" in headers or b":scheme" in headers:
            raise MalformedError("CONNECT has neither :path nor :scheme")
        headers[b":path"] = b""
    else:
        for needed in (b":method", b":path", b":scheme"):
            if not headers.get(needed):
                raise MalformedError(f"the request has no {needed.decode()}")
    authority = headers.get(b":authority", headers.get(b"host"))
    if authority is None or headers.get(b"host", authority) != authority:
        raise MalformedError("the request needs one :authority or host")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        raise MalformedError("content-length is no number of bytes")


def changes_table(block: bytes) -> bool:
    """Whether a block adds to the dynamic table or resizes it (RFC 7541, section 6).

    Only for blocks that were decoded: torn ones are the decoder's to find.
    """
    offset = 0
    while offset < len(block):
        first = block[offset]
        if first & 0x80:  # indexed field
            offset = _after_integer(block, offset, 0x7F)
        elif first & 0x60:  # incremental indexing (01), table size update (001)
            return True
        else:  # literal without indexing
            offset = _after_integer(block, offset, 0x0F)
            if not first & 0x0F:
                offset = _after_text(block, offset)
            offset = _after_text(block, offset)
    return False


def _after_integer(block: bytes, offset: int, mask: int) -> int:
    if block[offset] & mask != mask:
        return offset + 1
    offset += 1
    while block[offset] & 0x80:
        offset += 1
    return offset + 1


def _after_text(block: bytes, offset: int) -> int:
    length = block[offset] & 0x7F
    after = _after_integer(block, offset, 0x7F)
    if length == 0x7F:
        for shift, byte in enumerate(block[offset + 1 : after]):
            length += (byte & 0x7F) << 7 * shift
    return after + length


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that no table remembers, so that the bytes can be constants."""
    return b"\x00" + _text(name) + _text(value)


def _text(value: bytes) -> bytes:
    length = len(value)
    if length < 0x7F:
        return bytes([length]) + value
    out = bytearray([0x7F])
    length -= 0x7F
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + value


def status(code: int) -> bytes:
    """The `:status` field: 200 is entry 8 of the static table, others are written out."""
    return b"\x88" if code == 200 else literal(b":status", b"%d" % code)
