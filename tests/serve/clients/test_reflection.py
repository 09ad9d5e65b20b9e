"""A grpcio client that knows nothing of the server but that it has reflection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.serve.clients.served import Served

SERVICE = "inference.GRPCInferenceService"
# What a client like grpcurl has built in: the reflection service itself.
_MESSAGES = {
    "ServerReflectionRequest": [("file_containing_symbol", 4, "string"),
                                ("list_services", 7, "string")],
    "ServerReflectionResponse": [("file_descriptor_response", 4, "FileDescriptorResponse"),
                                 ("list_services_response", 6, "ListServiceResponse")],
    "FileDescriptorResponse": [("file_descriptor_proto", 1, "bytes")],
    "ListServiceResponse": [("service", 1, "ServiceResponse")],
    "ServiceResponse": [("name", 1, "string")],
}  # fmt: skip
_REPEATED = ("file_descriptor_proto", "service")


def reflection(package: str) -> dict[str, Any]:
    """Message classes of the reflection service; the server's code has no part in them."""
    file = descriptor_pb2.FileDescriptorProto(name="r.proto", package=package, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            row: Any = message.field.add(name=field, number=number)
            row.label = 3 if field in _REPEATED else 1
            row.type = {"string": 9, "bytes": 12}.get(kind, 11)
            if row.type == 11:
                row.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    found = pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(found.message_types_by_name[name])
        for name in _MESSAGES
    }


@pytest.fixture
def channel(served: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.grpc) as channel:
        yield channel


def ask(channel: grpc.Channel, package: str, **question: str) -> Any:
    classes = reflection(package)
    call = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=classes["ServerReflectionRequest"].SerializeToString,
        response_deserializer=classes["ServerReflectionResponse"].FromString,
    )
    (answer,) = call(iter([classes["ServerReflectionRequest"](**question)]))
    return answer


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_services_are_listed(channel: grpc.Channel, package: str) -> None:
    services = ask(channel, package, list_services="*").list_services_response.service
    assert [each.name for each in services] == [
        SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]  # fmt: skip


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_inference_through_fetched_descriptors(channel: grpc.Channel, package: str) -> None:
    answer = ask(channel, package, file_containing_symbol=SERVICE).file_descriptor_response
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(each) for each in answer.file_descriptor_proto
    ]
    pool = descriptor_pool.DescriptorPool()
    for file in reversed(files):  # imports before what imports them
        pool.Add(file)
    method = pool.FindServiceByName(SERVICE).methods_by_name["ModelInfer"]
    request_class, response_class = (
        message_factory.GetMessageClass(each) for each in (method.input_type, method.output_type)
    )
    values = np.arange(16, dtype=np.float32)
    request: Any = request_class(model_name="identity", raw_input_contents=[values.tobytes()])
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 16])
    call = channel.unary_unary(
        f"/{SERVICE}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    response: Any = call(request)
    assert response.raw_output_contents == [values.tobytes()]


def test_every_service_that_is_listed_has_its_file(channel: grpc.Channel) -> None:
    package = "grpc.reflection.v1"
    services = ask(channel, package, list_services="*").list_services_response.service
    for service in services:
        found = ask(channel, package, file_containing_symbol=service.name)
        file = descriptor_pb2.FileDescriptorProto.FromString(
            found.file_descriptor_response.file_descriptor_proto[0]
        )
        assert service.name in [f"{file.package}.{each.name}" for each in file.service]
