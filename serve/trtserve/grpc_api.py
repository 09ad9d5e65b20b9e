"""The gRPC services: every RPC of GRPCInferenceService that is served, by its method's path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError, invalid
from trtserve.models import Version
from trtserve.protocols import infer_proto
from trtserve.protocols.grpc import GrpcCall, Method, bug
from trtserve.protocols.infer_proto import encoded_varint
from trtserve.protocols.messages import message
from trtserve.request import Buffer, Call, InferRequest, InferResponse

_SERVICE = b"/inference.GRPCInferenceService/"
_KNOWN_MAX = 512
_KNOWN_HEADER_BYTES = 2048


class _Known(NamedTuple):
    """A request's header that came before, and where tensors stand behind it."""

    version: Version
    call: Call
    tags: Sequence[tuple[int, bytes, int]]  # offset of a raw field, its tag and length, its end
    total: int


class GrpcApi:
    """The methods of GRPCInferenceService."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._models = endpoints.models
        self._known: dict[bytes, _Known] = {}
        self._generation = -1
        self._guess = 0  # the length of the last request's header
        self._tasks: set[asyncio.Task[None]] = set()

    def methods(self) -> dict[bytes, Method]:
        """Path -> method."""
        ends = self._endpoints
        unary: dict[str, Callable[[Any], dict[str, Any]]] = {
            "ServerLive": lambda _: {"live": True},
            "ServerReady": lambda _: {"ready": ends.server_ready()},
            "ModelReady": lambda r: {"ready": ends.model_ready(r.name, r.version)},
            "ServerMetadata": lambda _: ends.server_metadata(),
            "ModelMetadata": lambda r: ends.model_metadata(r.name, r.version),
            "ModelStatistics": lambda r: ends.statistics(r.name, r.version),
            "RepositoryIndex": self._index,
            "LogSettings": self._log_settings,
        }
        later: dict[str, Callable[[Any], Awaitable[None]]] = {
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        table = {name: Method(partial(self._answer, name, ask)) for name, ask in unary.items()}
        table |= {
            name: Method(partial(self._answer_later, name, ask)) for name, ask in later.items()
        }
        table["ModelConfig"] = Method(self._config)
        table["ModelInfer"] = Method(self._infer)
        return {_SERVICE + name.encode(): method for name, method in table.items()}

    def _answer(
        self, name: str, ask: Callable[[Any], dict[str, Any]], call: GrpcCall, data: memoryview
    ) -> None:
        answer = ask(parsed(name, data))
        response = json_format.ParseDict(answer, message(f"{name}Response")())
        call.reply([response.SerializeToString()])

    def _answer_later(
        self, name: str, ask: Callable[[Any], Awaitable[None]], call: GrpcCall, data: memoryview
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._finish(call, ask(parsed(name, data))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, call: GrpcCall, work: Awaitable[None]) -> None:
        try:
            await work
            call.reply([b""])  # the responses of load and unload have no fields
        except ServeError as error:
            call.fail(error)
        except Exception as error:
            call.fail(bug(error))

    def _config(self, call: GrpcCall, data: memoryview) -> None:
        request = parsed("ModelConfig", data)
        config = self._endpoints.model_config(request.name, request.version).SerializeToString()
        call.reply([b"\x0a" + encoded_varint(len(config)), config])  # field 1 of the response

    def _index(self, request: Any) -> dict[str, Any]:
        _refuse_named_repository(request)
        return {"models": self._endpoints.repository_index(ready=request.ready)}

    async def _load(self, request: Any) -> None:
        _refuse_named_repository(request)
        stated = {}
        for name, parameter in request.parameters.items():
            choice = parameter.WhichOneof("parameter_choice")
            stated[name] = getattr(parameter, choice) if choice else None
        await self._endpoints.load(request.model_name, stated)

    async def _unload(self, request: Any) -> None:
        _refuse_named_repository(request)
        await self._endpoints.unload(request.model_name)

    def _log_settings(self, request: Any) -> dict[str, Any]:
        changes = {}
        for name, value in request.settings.items():
            choice = value.WhichOneof("parameter_choice")
            if choice is not None:
                changes[name] = getattr(value, choice)
        held = self._endpoints.logs.update(changes)
        fields = {bool: "bool_param", int: "uint32_param", str: "string_param"}
        return {"settings": {name: {fields[type(each)]: each} for name, each in held.items()}}

    # Inference

    def _infer(self, call: GrpcCall, data: memoryview) -> None:
        if self._generation != self._models.generation:
            self._known.clear()
            self._generation = self._models.generation
        known = self._known.get(bytes(data[: self._guess]))
        if known is not None and known.total == len(data):
            raw: list[Buffer] = []
            for offset, tag, end in known.tags:
                start = offset + len(tag)
                if data[offset:start] != tag:
                    break
                raw.append(data[start:end])
            else:
                self._submit(known.version, known.call, raw, call)
                return
        self._infer_new(call, data)

    def _infer_new(self, call: GrpcCall, data: memoryview) -> None:
        header, raw = infer_proto.envelope(data)
        request = infer_proto.parsed_header(header)
        version = self._models.version(request.model_name, request.model_version)
        checked, tensors = infer_proto.decode(version.contract, request, raw)
        if raw and -1 not in checked.sizes and len(header) <= _KNOWN_HEADER_BYTES:
            self._remember(header, data, _Known(version, checked, _tags(header, raw), len(data)))
        self._submit(version, checked, tensors, call)

    def _remember(self, header: bytes, data: memoryview, known: _Known) -> None:
        if known.tags[-1][2] == len(data) and data[: len(header)] == header:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[header] = known
            self._guess = len(header)

    def _submit(
        self, version: Version, checked: Call, tensors: Sequence[Buffer], call: GrpcCall
    ) -> None:
        if not self._endpoints.ready:
            raise ServeError(Kind.UNAVAILABLE, "the server is shutting down")
        request = InferRequest(checked, tensors, partial(_reply, call, version), call.started_ns)
        call.on_cancel = partial(version.runner.cancel, request)
        version.submit(request)


def _tags(header: bytes, raw: Sequence[memoryview]) -> list[tuple[int, bytes, int]]:
    """Where raw fields stand if they follow the header one after the other."""
    tags, offset = [], len(header)
    for each in raw:
        tag = b"\x3a" + encoded_varint(len(each))
        end = offset + len(tag) + len(each)
        tags.append((offset, tag, end))
        offset = end
    return tags


def _reply(
    call: GrpcCall, version: Version, request: InferRequest, answer: InferResponse | ServeError
) -> None:
    """Send the answer to an inference request."""
    if request.cancelled:
        return
    try:
        if isinstance(answer, ServeError):
            raise answer
        call.reply(version.encoder.encode(request.call, answer))
    except ServeError as error:
        call.fail(error)
    except Exception as error:  # whatever goes wrong, the client hears of it
        call.fail(bug(error))


def parsed(name: str, data: memoryview) -> Any:
    """A request's message. Raises `ServeError`."""
    try:
        return message(f"{name}Request").FromString(bytes(data))
    except DecodeError:
        raise invalid(f"the message is no {name}Request") from None


def _refuse_named_repository(request: Any) -> None:
    if request.repository_name:
        raise ServeError(Kind.UNSUPPORTED, "'repository_name' specification is not supported")
