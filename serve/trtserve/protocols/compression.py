"""gzip and deflate, in and out, with an end to what a few bytes may swell into."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from trtserve.errors import Kind, ServeError, invalid
from trtserve.request import Buffer

# wbits of zlib: 16 + 15 reads and writes gzip, 15 the zlib format that HTTP calls "deflate".
_WBITS = {"gzip": 31, "deflate": 15}
_MAX_MEMBERS = 1000  # of a gzip file (RFC 1952, section 2.2)
_PIECE_BYTES = 16 * 1024
_LEVEL = 1  # tensors hardly shrink: speed counts


def decompressed(data: Buffer, coding: str, max_bytes: int) -> bytes:
    """`data` in the content coding `coding`, as it was. Raises `ServeError`.

    Never makes more than `max_bytes`: what would be larger is refused while it is being read.
    """
    if coding not in _WBITS:
        raise ServeError(
            Kind.UNSUPPORTED, f"content coding '{coding[:40]}' is not served; gzip and deflate are"
        )
    view = memoryview(data)
    parts, size, at = [], 0, 0
    for _ in range(_MAX_MEMBERS):
        part, at = _member(view, at, coding, max_bytes - size)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise ServeError(
                Kind.TOO_LARGE, f"the body is larger than {max_bytes} bytes decompressed"
            )
        if at == len(view):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if coding != "gzip":
            raise invalid(f"the body is no {coding}: {len(view) - at} bytes are behind its end")
    raise invalid(f"the body has more than {_MAX_MEMBERS} gzip members")


def _member(data: memoryview, start: int, coding: str, most: int) -> tuple[bytes, int]:
    """One stream of `data`, and where it ends. More than `most` bytes: it may go on."""
    stream = zlib.decompressobj(_WBITS[coding])
    parts, size, at = [], 0, start
    while not stream.eof and size <= most:
        if at == len(data):
            raise invalid(f"the body is no {coding}: it ends too early")
        # At once what is one stream, as nearly always; later ones in pieces, as zlib copies what
        # is behind each of them.
        piece = data[at:] if start == 0 else data[at : at + _PIECE_BYTES]
        try:
            parts.append(stream.decompress(piece, most - size + 1))
        except zlib.error as error:
            raise invalid(f"the body is no {coding}: {error}") from None
        size += len(parts[-1])
        at += len(piece) - len(stream.unused_data)
    return parts[0] if len(parts) == 1 else b"".join(parts), at


def compressed(parts: Sequence[Buffer], coding: str) -> bytes:
    """Parts of a body as one compressed body."""
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WBITS[coding])
    return b"".join([*map(stream.compress, parts), stream.flush()])


def accepted(header: str) -> str:
    """The coding to answer in, of an Accept-Encoding header: the one rated highest, "" for none."""
    best, best_quality = "", 0.0
    for item in header.split(","):
        coding, _, parameter = item.partition(";")
        name = coding.strip().lower()
        try:
            quality = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        if name in (*_WBITS, "identity") and quality > best_quality:
            best, best_quality = name, quality
    return "" if best == "identity" else best
