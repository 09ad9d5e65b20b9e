"""What can go wrong with a request, and how HTTP and gRPC say it.

`STATUS` is the one table. Sources: Triton's HttpCodeFromError (http_server.cc) and
GrpcStatusUtil (grpc/grpc_utils.cc); grpc/status.h for the numbers.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """Triton's error codes, by Triton's own names."""

    UNKNOWN = "Unknown"
    INTERNAL = "Internal"
    NOT_FOUND = "Not found"
    INVALID_ARG = "Invalid argument"
    UNAVAILABLE = "Unavailable"
    UNSUPPORTED = "Unsupported"
    ALREADY_EXISTS = "Already exists"
    CANCELLED = "Cancelled"
    DEADLINE = "Deadline exceeded"  # ours: Triton leaves the client's deadline to the client
    TOO_LARGE = "Too large"  # ours: Triton says INVALID_ARG
    FORBIDDEN = "Forbidden"  # ours: a page of another site, code that nobody let in


class Status(NamedTuple):
    """How the two protocols say an error."""

    http: int
    grpc: int
    reason: str  # label of nv_inference_request_failure


STATUS: dict[Kind, Status] = {
    Kind.UNKNOWN: Status(400, 2, "OTHER"),
    Kind.INTERNAL: Status(500, 13, "BACKEND"),
    Kind.NOT_FOUND: Status(404, 5, "OTHER"),
    Kind.INVALID_ARG: Status(400, 3, "OTHER"),
    Kind.UNAVAILABLE: Status(503, 14, "REJECTED"),
    Kind.UNSUPPORTED: Status(501, 12, "OTHER"),
    Kind.ALREADY_EXISTS: Status(400, 6, "OTHER"),
    Kind.CANCELLED: Status(400, 1, "CANCELED"),
    Kind.DEADLINE: Status(504, 4, "CANCELED"),
    Kind.TOO_LARGE: Status(413, 8, "OTHER"),
    Kind.FORBIDDEN: Status(403, 7, "OTHER"),
}

REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


class ServeError(Exception):
    """An answer that is an error: `kind` decides the status, the message is the body."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def status(self) -> Status:
        """The row of `STATUS`."""
        return STATUS[self.kind]


def invalid(message: str) -> ServeError:
    """The client sent something wrong (400, INVALID_ARGUMENT)."""
    return ServeError(Kind.INVALID_ARG, message)
