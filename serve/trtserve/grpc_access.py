"""Which calls over gRPC need a key's header, and which may not come from a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from trtserve.errors import Kind, ServeError
from trtserve.origins import Origins
from trtserve.protocols.grpc import Method
from trtserve.protocols.headers import Headers
from trtserve.restrictions import Restriction, Restrictions

# As tritonserver's (grpc/grpc_server.cc, CommonHandler::Register...). Reflection is in none there.
_SERVICE = "/inference.GRPCInferenceService/"
CATEGORIES = {
    _SERVICE + "ServerLive": "health",
    _SERVICE + "ServerReady": "health",
    _SERVICE + "ModelReady": "health",
    "/grpc.health.v1.Health/Check": "health",
    "/grpc.health.v1.Health/Watch": "health",
    _SERVICE + "ServerMetadata": "metadata",
    _SERVICE + "ModelMetadata": "metadata",
    _SERVICE + "ModelConfig": "model-config",
    _SERVICE + "ModelStatistics": "statistics",
    _SERVICE + "LogSettings": "logging",
    _SERVICE + "RepositoryIndex": "model-repository",
    _SERVICE + "RepositoryModelLoad": "model-repository",
    _SERVICE + "RepositoryModelUnload": "model-repository",
    _SERVICE + "ModelInfer": "inference",
}
_CHANGE_THE_SERVER = frozenset(
    _SERVICE + name for name in ("RepositoryModelLoad", "RepositoryModelUnload", "LogSettings")
)


def guarded(
    methods: Mapping[bytes, Method], origins: Origins, restricted: Restrictions
) -> dict[bytes, Method]:
    """Path -> method, with its check of who calls it; `restricted`: by category."""
    return {path: _guarded(path.decode(), method, origins, restricted)
            for path, method in methods.items()}  # fmt: skip


def _guarded(path: str, method: Method, origins: Origins, restricted: Restrictions) -> Method:
    restriction = restricted.get(CATEGORIES.get(path, ""))
    checks: list[Callable[[Headers], None]] = []
    if restriction is not None:
        checks.append(partial(_require_key, restriction))
    if path in _CHANGE_THE_SERVER:
        checks.append(partial(_refuse_foreign, origins))
    return method._replace(check=partial(_all, checks)) if checks else method


def _all(checks: list[Callable[[Headers], None]], headers: Headers) -> None:
    for check in checks:
        check(headers)


def _require_key(restriction: Restriction, headers: Headers) -> None:
    if not restriction.lets(headers.get(restriction.header.encode("latin-1", "replace"))):
        raise ServeError(Kind.UNAVAILABLE, restriction.refusal)


def _refuse_foreign(origins: Origins, headers: Headers) -> None:
    """The authority is not looked at: browsers speak HTTP/2 over TLS alone.

    So a name that a page has made resolve to this server is none of its certificate's.
    """
    origin, site = (_text(headers, name) for name in (b"origin", b"sec-fetch-site"))
    if origin is not None or site is not None:
        host = _text(headers, b":authority") or _text(headers, b"host")
        origins.refuse_foreign(host, origin, site)


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
