"""What clients can ask besides inference: one function a question, the same for HTTP and gRPC.

Answers are plain values in the shape of the JSON that Triton's HTTP endpoints give; the gRPC
messages have the same fields, so `grpc_api.py` makes them of the same values.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from google.protobuf import json_format

from trtbuild import __version__
from trtbuild.errors import ForeignNameError
from trtbuild.foreign import check_name
from trtbuild.modelconfig.schema import new_config
from trtserve.errors import Kind, ServeError, invalid
from trtserve.logs import LogSettings
from trtserve.models import Models
from trtserve.plans import RUNTIMES
from trtserve.protocols.plain import plain
from trtserve.version import Version

SERVER_NAME = "trtserve"
_IN_NO_NAME = re.compile(
    r"[/\\\x00-\x1f\x7f-\x9f]"
)  # a path's, and what would write lines of the log
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "logging",
)


class Endpoints:
    """The questions and their answers. Methods raise `ServeError`."""

    def __init__(self, models: Models, logs: LogSettings, control: str) -> None:
        self.models = models
        self.logs = logs
        self._control = control
        self._ready = False
        self.ending = False
        self._watchers: dict[object, Callable[[], None]] = {}

    @property
    def ready(self) -> bool:
        """Set when everything is up, taken back when the server ends."""
        return self._ready

    @ready.setter
    def ready(self, value: bool) -> None:
        self._ready = value
        self.tell_watchers()

    def not_ready(self) -> ServeError:
        """What a request is told while `ready` is not set."""
        if self.ending:
            return ServeError(Kind.UNAVAILABLE, "the server is shutting down")
        return ServeError(Kind.UNAVAILABLE, "the server is starting: not all models are loaded yet")

    def end(self) -> None:
        """The server is on its way down: no more ready, and nobody need watch it any longer."""
        self.ending = True
        self.ready = False

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have `changed` called when readiness may have changed. Returns what ends that."""
        key = object()
        self._watchers[key] = changed
        return lambda: self._watchers.pop(key, None) and None

    def tell_watchers(self) -> None:
        """Readiness may have changed."""
        for changed in list(self._watchers.values()):
            changed()

    def server_ready(self) -> bool:
        """Ready for requests: up, not on its way down, and every model that should be is loaded."""
        return self.ready and self.models.all_ready

    def server_metadata(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": SERVER_NAME, "version": __version__, "extensions": list(EXTENSIONS)}

    def model_ready(self, name: str, version: str) -> bool:
        """Whether a model can be asked."""
        if not self.ready:
            return False
        try:
            self.models.version(name, version)
        except ServeError as error:
            if error.kind is Kind.INVALID_ARG:  # no version can have that number
                raise
            return False
        return True

    def model_metadata(self, name: str, version: str) -> dict[str, Any]:
        """Tensors of a model as clients see them, batch dim included."""
        found = self.models.version(name, version)
        numbers = [found.number] if version else [v.number for v in self.models.versions(name)]
        batch = [-1] if found.contract.max_batch_size else []
        return {
            "name": name,
            "versions": numbers,
            "platform": found.platform,
            **_what_runs(found),
            **{
                kind: [
                    {"name": rule.name, "datatype": rule.dtype, "shape": [*batch, *rule.dims]}
                    for rule in rules.values()
                ]
                for kind, rules in (
                    ("inputs", found.contract.inputs), ("outputs", found.contract.outputs)
                )
            },
        }  # fmt: skip

    def model_config(self, name: str, version: str) -> Any:
        """The completed config, an `inference.ModelConfig`."""
        return self.models.version(name, version).config

    def model_config_json(self, name: str, version: str) -> dict[str, Any]:
        """The completed config as JSON, 64-bit numbers as numbers."""
        config: dict[str, Any] = plain(self.model_config(name, version))
        return config

    def statistics(self, name: str, version: str) -> dict[str, Any]:
        """Statistics of one version, of all versions of a model, or of all models.

        For a model that is not there Triton says INVALID_ARG here, not NOT_FOUND.
        """
        found: list[Version]
        try:
            if not name:
                found = self.models.loaded()
            elif version:
                found = [self.models.version(name, version)]
            else:
                found = self.models.versions(name)
        except ServeError as error:
            raise invalid(error.message) from None
        return {
            "model_stats": [v.statistics.to_json(v.name, v.number) | _what_runs(v) for v in found]
        }

    async def repository_index(self, *, ready: bool) -> list[dict[str, str]]:
        """Every model of the repositories; `ready`: only those that can be asked."""
        rows = await self.models.index()
        return [row for row in rows if row.get("state") == "READY"] if ready else rows

    async def load(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Load or reload a model; `config` and `file:` parameters replace what the folder holds."""
        self._require_explicit("load")
        _check_name(name)
        await self.models.load(name, *_load_parameters(parameters))

    async def unload(self, name: str) -> None:
        """Take a model out of service."""
        self._require_explicit("unload")
        _check_name(name)
        await self.models.unload(name)

    def _require_explicit(self, what: str) -> None:
        if self._control != "explicit":
            raise ServeError(
                Kind.UNAVAILABLE,
                f"explicit model load / unload is not allowed in control mode '{self._control}': "
                f"cannot {what}; start with --model-control-mode explicit",
            )


def _what_runs(version: Version) -> dict[str, str]:
    """Of a model with plans: whether a plan runs, on which GPU, or what runs instead and why.

    Fields of our own, which JSON has room for; over gRPC the config's parameters say it.
    """
    if version.config.backend not in RUNTIMES:
        return {}
    note = {"trtserve_note": version.note} if version.note else {}
    return {"trtserve_runs_on": version.runs_on, **note}


def _check_name(name: str) -> None:
    stripped = name.strip()
    if not stripped or stripped == ".." or _IN_NO_NAME.search(name):
        raise invalid(f"{name!r} is no model name")


def _load_parameters(parameters: Mapping[str, Any]) -> tuple[Any, dict[PurePosixPath, bytes]]:
    files = {}
    override = None
    for key, value in parameters.items():
        if key == "config":
            override = _config(value)
        elif key.startswith("file:"):
            files[_file_path(key[len("file:") :])] = _content(key, value)
        elif key != "unload_dependents":
            raise invalid(f"unrecognized load parameter '{key}'; there are config and file:<path>")
    if files and override is None:
        raise invalid("a 'file:' parameter needs the 'config' parameter beside it")
    return override, files


def _config(value: Any) -> Any:
    if not isinstance(value, str):
        raise invalid("parameter 'config' must be a model configuration as a JSON string")
    try:
        return json_format.Parse(value, new_config())
    except json_format.ParseError as error:
        raise invalid(f"parameter 'config' is no model configuration: {error}") from None


def _file_path(text: str) -> PurePosixPath:
    """A path below the model's directory, `1/model.onnx`; nothing that could lead out of it."""
    try:
        check_name(text)
    except ForeignNameError:
        raise invalid(f"the file '{text}' must stay within the model's directory") from None
    return PurePosixPath(text)


def _content(key: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise invalid(f"parameter '{key}' must be base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:  # binascii.Error is one; so is what is no ASCII
        raise invalid(f"parameter '{key}' is no base64: {error}") from None
