"""Health and reflection (v1 and v1alpha): what tools ask a server before they use it.

Sources: grpc/health/v1/health.proto, grpc/reflection/v1/reflection.proto.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from trtserve.endpoints import Endpoints
from trtserve.errors import Kind, ServeError, invalid
from trtserve.protocols.grpc import GrpcCall, Method, StreamHandler
from trtserve.protocols.messages import descriptor, file_from_text

_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_HEALTH = "grpc.health.v1"
_NOT_FOUND = 5


@cache
def _health() -> Any:
    """The file of the health service; its enum is an int32, the same on the wire."""
    return file_from_text(
        "grpc/health/v1/health.proto",
        _HEALTH,
        {"HealthCheckRequest": "string service=1", "HealthCheckResponse": "int32 status=1"},
        "Health",
        {
            "Check": "HealthCheckRequest HealthCheckResponse",
            "Watch": "HealthCheckRequest stream HealthCheckResponse",
        },
    )


@cache
def _reflection(package: str) -> Any:
    return file_from_text(
        package.replace(".", "/") + "/reflection.proto",
        package,
        {
            "ServerReflectionRequest": "string host=1; string file_by_filename=3; "
            "string file_containing_symbol=4; ExtensionRequest file_containing_extension=5; "
            "string all_extension_numbers_of_type=6; string list_services=7",
            "ExtensionRequest": "string containing_type=1; int32 extension_number=2",
            "ServerReflectionResponse": "string valid_host=1; "
            "ServerReflectionRequest original_request=2; "
            "FileDescriptorResponse file_descriptor_response=4; "
            "ListServiceResponse list_services_response=6; ErrorResponse error_response=7",
            "FileDescriptorResponse": "repeated bytes file_descriptor_proto=1",
            "ListServiceResponse": "repeated ServiceResponse service=1",
            "ServiceResponse": "string name=1",
            "ErrorResponse": "int32 error_code=1; string error_message=2",
        },
        "ServerReflection",
        {"ServerReflectionInfo": "ServerReflectionRequest stream ServerReflectionResponse"},
    )


@cache
def _pool() -> Any:
    """The pool, once it holds the files of all services."""
    descriptor()
    _health()
    for package in _REFLECTION_PACKAGES:
        _reflection(package)
    return descriptor_pool.Default()


_REFLECTION_PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


def _class(file: Any, name: str) -> Any:
    return message_factory.GetMessageClass(file.message_types_by_name[name])


def extra_methods(endpoints: Endpoints) -> dict[bytes, Method]:
    """Path -> method of the health and reflection services."""
    methods = {
        f"/{_HEALTH}.Health/Check".encode(): Method(partial(_check, endpoints)),
        f"/{_HEALTH}.Health/Watch".encode(): Method(stream=partial(_Watch, endpoints)),
    }
    for package in _REFLECTION_PACKAGES:
        path = f"/{package}.ServerReflection/ServerReflectionInfo".encode()
        methods[path] = Method(stream=partial(_Reflection, package, endpoints))
    return methods


def _services() -> list[str]:
    return [
        "inference.GRPCInferenceService",
        f"{_HEALTH}.Health",
        *(f"{package}.ServerReflection" for package in _REFLECTION_PACKAGES),
    ]


def _status(endpoints: Endpoints, known: bool) -> int:
    if not known:
        return _SERVICE_UNKNOWN
    return _SERVING if endpoints.server_ready() else _NOT_SERVING


def _known(data: memoryview) -> bool:
    """Whether a request asks for what is there. Raises `ServeError`."""
    try:
        request = _class(_health(), "HealthCheckRequest").FromString(bytes(data))
    except DecodeError:
        raise invalid("the message is no HealthCheckRequest") from None
    return request.service in ("", "inference.GRPCInferenceService")


def _check(endpoints: Endpoints, call: GrpcCall, data: memoryview) -> None:
    status = _status(endpoints, _known(data))
    if status == _SERVICE_UNKNOWN:
        raise ServeError(Kind.NOT_FOUND, "unknown service")
    call.reply([_class(_health(), "HealthCheckResponse")(status=status).SerializeToString()])


class _Watch(StreamHandler):
    """Says the status, and says it again whenever it has changed."""

    def __init__(self, endpoints: Endpoints, call: GrpcCall) -> None:
        self._endpoints = endpoints
        self._call = call
        self._known: bool | None = None  # None: nothing was asked
        self._said: int | None = None
        self._stop = endpoints.watch(self._say)

    def message(self, data: memoryview) -> None:
        if self._known is not None:
            return
        try:
            self._known = _known(data)
        except ServeError as error:
            self.reset()
            self._call.fail(error)
            return
        self._call.start()
        self._say()

    def _say(self) -> None:
        ending = self._endpoints.ending  # it would never end, and the server wait for it
        if ending:
            self.reset()
        if self._known is None:
            if ending:
                self._call.fail(ServeError(Kind.UNAVAILABLE, "the server is shutting down"))
            return
        status = _status(self._endpoints, self._known)
        if status != self._said:
            self._said = status
            response = _class(_health(), "HealthCheckResponse")(status=status)
            self._call.send(response.SerializeToString())
        if ending:
            self._call.finish()

    def end(self) -> None:
        """The client has said all it had to say; it goes on listening."""

    def reset(self) -> None:
        self._stop()


class _Reflection(StreamHandler):
    """Answers each question for files and services."""

    def __init__(self, package: str, endpoints: Endpoints, call: GrpcCall) -> None:
        self._file = _reflection(package)
        self._endpoints = endpoints
        self._call = call
        self._stop = endpoints.watch(self._end_with_the_server)
        call.start()

    def _end_with_the_server(self) -> None:
        """Clients keep such a call open for the next question: the server would wait for it."""
        if self._endpoints.ending:
            self.end()

    def message(self, data: memoryview) -> None:
        try:
            request = _class(self._file, "ServerReflectionRequest").FromString(bytes(data))
        except DecodeError:
            self.end()
            return
        response = _class(self._file, "ServerReflectionResponse")(
            valid_host=request.host, original_request=request
        )
        try:
            self._answer(request, response)
        except KeyError as error:
            response.error_response.error_code = _NOT_FOUND
            response.error_response.error_message = str(error)
        self._call.send(response.SerializeToString())

    def _answer(self, request: Any, response: Any) -> None:
        """Raises `KeyError` for what there is not."""
        pool = _pool()
        if request.file_by_filename:
            files = [pool.FindFileByName(request.file_by_filename)]
        elif request.file_containing_symbol:
            files = [pool.FindFileContainingSymbol(request.file_containing_symbol)]
        elif (
            request.file_containing_extension.containing_type
            or request.all_extension_numbers_of_type
        ):
            raise KeyError("there are no extensions")
        else:
            for name in _services():
                response.list_services_response.service.add(name=name)
            return
        for file in _with_imports(files[0]):
            response.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)

    def end(self) -> None:
        self.reset()
        self._call.finish()

    def reset(self) -> None:
        self._stop()


def _with_imports(file: Any) -> list[Any]:
    found = [file]
    for each in file.dependencies:
        found += [other for other in _with_imports(each) if other not in found]
    return found
