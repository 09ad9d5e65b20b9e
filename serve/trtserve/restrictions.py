"""APIs that are kept for who knows a header's value: tritonserver's restricted features.

Sources: src/restricted_features.h, TritonParser::ParseRestrictedFeatureOption
(command_line_parser.cc), HTTPAPIServer::RespondIfRestricted (http_server.cc),
CommonCallData::Execute (grpc/grpc_server.cc).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping

import msgspec

from trtbuild.errors import UsageError

# What paths and RPCs belong to; some have none here, and may be restricted all the same.
CATEGORIES = (
    "health", "metadata", "inference", "shared-memory", "model-config", "model-repository",
    "statistics", "trace", "logging",
)  # fmt: skip
# What Triton calls them in each protocol, and what it puts before a header's name.
_WORDS = {"http": ("--http-restricted-api", "API", ""),
          "grpc": ("--grpc-restricted-protocol", "protocol", "triton-grpc-protocol-")}  # fmt: skip


class Restriction(msgspec.Struct, frozen=True):
    """A header that a request of a category must carry, and its value."""

    header: str  # in lower case, as both protocols compare names
    value: str
    refusal: str  # what a client is told that does not send it

    def lets(self, given: str | bytes | None) -> bool:
        """Whether `given` is the value; takes the same time for every wrong one of a length."""
        if given is None:
            return False
        found = given.encode("latin-1", "replace") if isinstance(given, str) else given
        return hmac.compare_digest(found, os.fsencode(self.value))


Restrictions = Mapping[str, Restriction]


def restrictions_from_options(protocol: str, options: Iterable[str]) -> dict[str, Restriction]:
    """Category -> its restriction, of texts `CATEGORY,...:HEADER=VALUE`.

    `protocol`: "http" or "grpc". Raises `UsageError`, in Triton's words.
    """
    option, what, prefix = _WORDS[protocol]
    found: dict[str, Restriction] = {}
    for text in options:
        names, _, setting = text.partition(":")
        header, _, value = setting.partition("=")
        if not (names and header and value):
            raise UsageError(
                f"{option} option format is '<{what}s>:<key>=<value>'. Got {text}",
                f"for example {option} model-repository,logging:admin-key=SECRET",
            )
        for name in names.split(","):
            _refuse_name(name, found, what.lower())
            shown = prefix + header
            refusal = f"This {what} is restricted, expecting header '{shown}'"
            found[name] = Restriction(shown.lower(), value, refusal)
    return found


def _refuse_name(name: str, found: Restrictions, what: str) -> None:
    if name not in CATEGORIES:
        raise UsageError(
            f"unknown restricted {what} '{name}'", f"there are {', '.join(CATEGORIES)}"
        )
    if name in found:
        raise UsageError(
            f"restricted {what} '{name}' can not be specified in multiple config groups",
            "name each once",
        )
