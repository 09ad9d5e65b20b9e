"""gzip and deflate, in and out, with an end to what a few bytes may swell into."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from trtserve.errors import Kind, ServeError, invalid
from trtserve.request import Buffer

# wbits of zlib: 16 + 15 reads and writes gzip, 15 the zlib format that HTTP calls "deflate".
_WBITS = {"gzip": 31, "deflate": 15}
_LEVEL = 1  # tensors hardly shrink: speed counts


def decompressed(data: Buffer, coding: str, max_bytes: int) -> bytes:
    """`data` in the content coding `coding`, as it was. Raises `ServeError`.

    Never makes more than `max_bytes`: what would be larger is refused while it is being read.
    """
    wbits = _WBITS.get(coding)
    if wbits is None:
        raise ServeError(
            Kind.UNSUPPORTED, f"content coding '{coding[:40]}' is not served; gzip and deflate are"
        )
    stream = zlib.decompressobj(wbits)
    try:
        result = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise invalid(f"the body is no {coding}: {error}") from None
    if len(result) > max_bytes:
        raise ServeError(Kind.TOO_LARGE, f"the body is larger than {max_bytes} bytes decompressed")
    if not stream.eof:
        raise invalid(f"the body is no {coding}: it ends too early")
    return result


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
