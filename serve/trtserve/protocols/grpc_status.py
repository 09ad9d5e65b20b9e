"""How a call over gRPC ends that did not succeed."""

from __future__ import annotations

import logging

from trtserve.errors import Kind, ServeError
from trtserve.protocols.headers import literal

_log = logging.getLogger("trtserve")
_ACCEPTS = literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
_MESSAGE_PLAIN = frozenset(range(0x20, 0x7F)) - {0x25}
_MAX_STATUS_TEXT = 4096


def failure(error: ServeError) -> bytes:
    """The header fields of an error."""
    code = literal(b"grpc-status", b"%d" % error.status.grpc)
    return code + literal(b"grpc-message", status_text(error.message)) + _ACCEPTS


def bug(error: Exception) -> ServeError:
    """What the client of a call that met a bug of ours is told; the log has the rest."""
    _log.error("a call failed", exc_info=error)
    return ServeError(Kind.INTERNAL, f"internal error: {type(error).__name__}")


def status_text(message: str) -> bytes:
    """A message as `grpc-message` wants it: UTF-8, percent-encoded where not printable ASCII.

    File names may hold what is no UTF-8: an error must not fail for that.
    """
    data = message.encode(errors="replace")[:_MAX_STATUS_TEXT]
    if _MESSAGE_PLAIN.issuperset(data):
        return data
    return b"".join(bytes([byte]) if byte in _MESSAGE_PLAIN else b"%%%02X" % byte for byte in data)
