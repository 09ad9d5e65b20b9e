"""The gRPC services: every RPC of GRPCInferenceService that is served, by its method's path."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError, invalid
from trtserve.protocols import infer_proto
from trtserve.protocols.grpc import GrpcCall, Method
from trtserve.protocols.grpc_status import bug
from trtserve.protocols.infer_proto import encoded_varint
from trtserve.protocols.messages import message
from trtserve.request import Buffer, Call, InferRequest, InferResponse
from trtserve.version import Version

_SERVICE = b"/inference.GRPCInferenceService/"
_KNOWN_MAX = 512
_KNOWN_HEADER_BYTES = 2048
# The header grpc-timeout (grpc/doc/PROTOCOL-HTTP2.md), and nanoseconds of its units.
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_NS = {b"H": 3600 * 10**9, b"M": 60 * 10**9, b"S": 10**9, b"m": 10**6, b"u": 10**3, b"n": 1}


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
            "LogSettings": self._log_settings,
        }
        later: dict[str, Callable[[Any], Awaitable[dict[str, Any]]]] = {
            "RepositoryIndex": self._index,
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
        call.reply([response_from_json(name, answer)])

    def _answer_later(
        self, name: str, ask: Callable[[Any], Awaitable[dict[str, Any]]], call: GrpcCall,
        data: memoryview,
    ) -> None:  # fmt: skip
        work = self._finish(name, call, ask(parsed(name, data)))
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, name: str, call: GrpcCall, work: Awaitable[dict[str, Any]]) -> None:
        try:
            call.reply([response_from_json(name, await work)])
        except ServeError as error:
            call.fail(error)
        except Exception as error:
            call.fail(bug(error))

    def _config(self, call: GrpcCall, data: memoryview) -> None:
        request = parsed("ModelConfig", data)
        config = self._endpoints.model_config(request.name, request.version).SerializeToString()
        call.reply([b"\x0a" + encoded_varint(len(config)), config])  # field 1 of the response

    async def _index(self, request: Any) -> dict[str, Any]:
        _refuse_named_repository(request)
        return {"models": await self._endpoints.repository_index(ready=request.ready)}

    async def _load(self, request: Any) -> dict[str, Any]:
        _refuse_named_repository(request)
        stated = {}
        for name, parameter in request.parameters.items():
            choice = parameter.WhichOneof("parameter_choice")
            stated[name] = getattr(parameter, choice) if choice else None
        await self._endpoints.load(request.model_name, stated)
        return {}

    async def _unload(self, request: Any) -> dict[str, Any]:
        _refuse_named_repository(request)
        await self._endpoints.unload(request.model_name)
        return {}

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
            raise self._endpoints.not_ready()
        request = InferRequest(checked, tensors, partial(_reply, call, version), call.started_ns)
        timeout = call.headers.get(b"grpc-timeout")
        left_s = None if timeout is None else _left_s(call, timeout)
        if left_s is None:
            version.submit(request)
        else:
            _submit_limited(version, call, request, left_s)
        call.on_cancel = partial(version.runner.cancel, request)


def _tags(header: bytes, raw: Sequence[memoryview]) -> list[tuple[int, bytes, int]]:
    """Where raw fields stand if they follow the header one after the other."""
    tags, offset = [], len(header)
    for each in raw:
        tag = b"\x3a" + encoded_varint(len(each))
        end = offset + len(tag) + len(each)
        tags.append((offset, tag, end))
        offset = end
    return tags


def _left_s(call: GrpcCall, timeout: bytes) -> float | None:
    """Seconds to the call's deadline; None for what is no timeout, as in gRPC's own servers.

    Raises `ServeError` where the deadline has passed.
    """
    stated = _TIMEOUT.fullmatch(timeout)
    if stated is None:
        return None
    deadline_ns = call.started_ns + int(stated[1]) * _UNITS_NS[stated[2]]
    left_ns = deadline_ns - time.monotonic_ns()
    if left_ns <= 0:
        raise _late()
    return left_ns / 1e9


def _submit_limited(version: Version, call: GrpcCall, request: InferRequest, left_s: float) -> None:
    """Queue a call that is answered at its deadline; its place in the queue is free then.

    The limit is on the answer that goes out, which `preserve_ordering` may hold back: so it is set
    before the request is queued.
    """
    reply = request.reply
    assert reply is not None, "a request is not answered before it is queued"
    timer = asyncio.get_running_loop().call_later(left_s, _expire, call)

    def in_time(request: InferRequest, answer: InferResponse | ServeError) -> None:
        timer.cancel()
        reply(request, answer)

    request.reply = in_time
    try:
        version.submit(request)
    except BaseException:
        timer.cancel()
        raise


def _late() -> ServeError:
    """New each time: an error that is raised again and again holds the frames of all times."""
    return ServeError(Kind.DEADLINE, "Deadline Exceeded")


def _expire(call: GrpcCall) -> None:
    cancel = call.on_cancel
    if not call.cancelled and cancel is not None:
        call.fail(_late())
        cancel()


def _reply(
    call: GrpcCall, version: Version, request: InferRequest, answer: InferResponse | ServeError
) -> None:
    """Send the answer to an inference request."""
    if request.cancelled:
        return
    if isinstance(answer, ServeError):
        call.fail(answer)  # not raised: see `http_infer`
        return
    try:
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


def response_from_json(name: str, answer: dict[str, Any]) -> bytes:
    """A response's message, of plain values; what it has no field for is left out."""
    made = message(f"{name}Response")()
    response = json_format.ParseDict(answer, made, ignore_unknown_fields=True)
    return bytes(response.SerializeToString())


def _refuse_named_repository(request: Any) -> None:
    if request.repository_name:
        raise ServeError(Kind.UNSUPPORTED, "'repository_name' specification is not supported")
