"""Everything but inference: what both servers are asked, over HTTP and gRPC."""

from __future__ import annotations

import json
from typing import Any

from tritonclient.grpc import service_pb2

_GET = (
    "/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/health/live/", "/v2/models",
    "/v2/models/float", "/v2/models/float/", "/v2/models/float/versions/1",
    "/v2/models/float/versions/2", "/v2/models/float/versions/x", "/v2/models/float/versions/01",
    "/v2/models/float/versions/99999999999999999999", "/v2/models/none", "/v2/models/float/ready",
    "/v2/models/float/versions/1/ready", "/v2/models/float/versions/2/ready",
    "/v2/models/none/ready", "/v2/models/float/config", "/v2/models/flat/config",
    "/v2/models/text/versions/1/config", "/v2/models/float/versions/2/config",
    "/v2/models/none/config", "/v2/models/float/stats", "/v2/models/stats", "/v2/models/none/stats",
    "/v2/models/float/versions/2/stats", "/v2/logging", "/v2/repository/index", "/nothing", "/",
    "/v2/models/float/nothing", "/v2/models/float/infer", "/v2?x=1", "/v2/models/float?x=1",
    "/v2/models/flo%61t", "/v2/models/fl%2Foat", "/V2", "//v2", "/metrics",
)  # fmt: skip
_METHODS = ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "POST")
_PATHS = ("/v2", "/v2/health/live", "/v2/models/float", "/v2/models/float/ready", "/nothing")
_LOAD = "/v2/repository/models/float/load"
_POST = (
    ("/v2/repository/index", ""), ("/v2/repository/index", "{}"),
    ("/v2/repository/index", '{"ready": true}'), ("/v2/repository/index", '{"ready": false}'),
    ("/v2/repository/index", '{"ready": 1}'), ("/v2/repository/index", "["),
    ("/v2/repository/index", "[]"), ("/v2/repository/x/index", ""),
    ("/v2/repository/models/none/load", ""), ("/v2/repository/models/none/load", "{}"),
    (_LOAD, ""), ("/v2/repository/x/models/float/load", ""), (_LOAD, "{"),
    (_LOAD, '{"parameters": {}}'), (_LOAD, '{"parameters": {"x": 1}}'),
    (_LOAD, '{"parameters": {"x": "1"}}'), (_LOAD, '{"parameters": {"config": "{"}}'),
    (_LOAD, '{"parameters": {"config": 7}}'),
    (_LOAD, '{"parameters": {"config": "{\\"nothing\\": 1}"}}'),
    (_LOAD, '{"parameters": {"file:1/model.py": "eA=="}}'),
    (_LOAD, '{"parameters": {"config": "{}", "file:../x": "eA=="}}'),
    (_LOAD, '{"parameters": {"config": "{}", "file:1/model.py": "%%%"}}'),
    ("/v2/repository/models/..%2Fx/load", ""), ("/v2/repository/models/none/unload", ""),
    ("/v2/repository/models/word/unload", '{"parameters": {"unload_dependents": true}}'),
    ("/v2/models/word/infer", "{}"), ("/v2/repository/models/word/load", ""),
    ("/v2/logging", ""), ("/v2/logging", "{}"), ("/v2/logging", '{"log_verbose_level": 1}'),
    ("/v2/logging", '{"log_verbose_level": 0}'), ("/v2/logging", '{"log_info": false}'),
    ("/v2/logging", '{"log_info": true}'), ("/v2/logging", '{"log_info": 1}'),
    ("/v2/logging", '{"log_format": "ISO8601"}'), ("/v2/logging", '{"log_format": "default"}'),
    ("/v2/logging", '{"log_format": "x"}'), ("/v2/logging", '{"log_file": "/tmp/x"}'),
    ("/v2/logging", '{"nothing": 1}'), ("/v2/logging", '{"log_verbose_level": -1}'),
    ("/v2/logging", '{"log_verbose_level": "1"}'), ("/v2/logging", "["),
)  # fmt: skip
PATHS: list[tuple[Any, ...]] = [
    *(("GET", path) for path in _GET),
    *((method, path) for method in _METHODS for path in _PATHS),
    *(("POST", path, text.encode()) for path, text in _POST),
    *(("GET", path) for path in ("/v2/models/word", "/v2/models/word/ready")),
]


def _named(name: str, model: str, version: str = "") -> tuple[str, Any]:
    return name, getattr(service_pb2, f"{name}Request")(name=model, version=version)


_FILES = {"file_in": "file:1/model.py", "file_out": "file:../x"}


def _load(model: str, repository: str = "", **parameters: Any) -> tuple[str, Any]:
    request = service_pb2.RepositoryModelLoadRequest(model_name=model, repository_name=repository)
    for name, value in parameters.items():
        field = {str: "string_param", bytes: "bytes_param", int: "int64_param"}[type(value)]
        setattr(request.parameters[_FILES.get(name, name)], field, value)
    return "RepositoryModelLoad", request


def _log(**settings: Any) -> tuple[str, Any]:
    request: Any = service_pb2.LogSettingsRequest()
    for name, value in settings.items():
        field = {str: "string_param", bool: "bool_param", int: "uint32_param"}[type(value)]
        setattr(request.settings[name], field, value)
    return "LogSettings", request


CALLS: list[tuple[str, Any]] = [
    ("ServerLive", service_pb2.ServerLiveRequest()),
    ("ServerReady", service_pb2.ServerReadyRequest()),
    ("ServerMetadata", service_pb2.ServerMetadataRequest()),
    *(
        _named(name, *model)
        for name in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")
        for model in (("float",), ("flat",), ("text", "1"), ("float", "2"), ("none",),
                      ("float", "x"), ("float", "-1"), ("",))
    ),
    ("RepositoryIndex", service_pb2.RepositoryIndexRequest()),
    ("RepositoryIndex", service_pb2.RepositoryIndexRequest(ready=True)),
    ("RepositoryIndex", service_pb2.RepositoryIndexRequest(repository_name="x")),
    _load("float"), _load("none"), _load("float", "x"), _load("../x"), _load(""),
    _load("float", x="1"), _load("float", config="{"), _load("float", config=7),
    _load("float", file_in=b"x"), _load("float", config="{}", file_out=b"x"),
    ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(model_name="none")),
    ("RepositoryModelUnload",
     service_pb2.RepositoryModelUnloadRequest(model_name="word", repository_name="x")),
    ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(model_name="word")),
    _named("ModelReady", "word"), _named("ModelMetadata", "word"), _load("word"),
    _log(), _log(log_verbose_level=1), _log(log_verbose_level=0), _log(log_info=False),
    _log(log_info=True), _log(log_info=1), _log(log_format="x"), _log(log_format="ISO8601"),
    _log(log_format="default"), _log(log_file="/tmp/x"), _log(nothing=1),
]  # fmt: skip
# Extensions that are not served.
_NOT_HERE = ("sequence", "system_shared_memory", "cuda_shared_memory", "trace")


def body(data: bytes) -> Any:
    """A good answer's body, comparable."""
    return comparable(json.loads(data)) if data else None


def comparable(value: Any) -> Any:
    """An answer without what must differ: who we are, and times."""
    if not isinstance(value, dict):
        return value
    if "extensions" in value:
        names = [name for name in value["extensions"] if name not in _NOT_HERE]
        return {**value, "name": "", "version": "", "extensions": names}
    if "model_stats" in value:
        # Counts differ: Triton was started again whenever a question had ended it.
        rows = sorted(value["model_stats"], key=lambda row: str(row["name"]))
        return [(row["name"], row["version"]) for row in rows]
    return value


def shape(value: Any) -> Any:
    """Names and types all the way down, of the first of each list."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__
