"""Health and reflection, asked by grpcio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, message_factory
from trtserve import grpc_extras

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import identity, put


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "m", identity())
    return start(repository)


@pytest.fixture
def channel(server: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


def test_health_check(channel: grpc.Channel) -> None:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"  # status: SERVING
    assert check(b"\x0a\x1einference.GRPCInferenceService") == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as caught:
        check(b"\x0a\x05other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_watch_tells_changes(channel: grpc.Channel, server: Running) -> None:
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert next(watch) == b"\x08\x01"
    server.call(lambda: setattr(server.server.endpoints, "ready", False))
    assert next(watch) == b"\x08\x02"  # NOT_SERVING
    server.call(lambda: setattr(server.server.endpoints, "ready", True))
    assert next(watch) == b"\x08\x01"
    watch.cancel()


def test_a_watch_that_says_nothing_of_sense_harms_no_other_call(channel: grpc.Channel) -> None:
    other = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert next(other) == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\xff\xff", timeout=60))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "HealthCheckRequest" in (caught.value.details() or "")
    assert other.is_active()  # they share a connection
    other.cancel()


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_reflection(channel: grpc.Channel, package: str) -> None:
    file = grpc_extras._reflection(package)
    request: Any
    response: Any
    request, response = (
        message_factory.GetMessageClass(file.message_types_by_name[f"ServerReflection{name}"])
        for name in ("Request", "Response")
    )
    ask = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo")
    questions = [
        request(list_services="*"),
        request(file_containing_symbol="inference.GRPCInferenceService"),
        request(file_by_filename="nothing.proto"),
    ]
    services, symbol, nothing = (
        response.FromString(each)
        for each in ask(iter(each.SerializeToString() for each in questions))
    )
    names = [each.name for each in services.list_services_response.service]
    assert "inference.GRPCInferenceService" in names
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(each)
        for each in symbol.file_descriptor_response.file_descriptor_proto
    ]
    assert [each.name for each in files] == ["grpc_service.proto", "model_config.proto"]
    assert "ModelInfer" in [each.name for each in files[0].service[0].method]
    assert nothing.error_response.error_code == 5


def test_calls_that_are_over_watch_no_more(channel: grpc.Channel, server: Running) -> None:
    """Each of them would be kept as long as the server runs."""
    watchers = server.server.endpoints._watchers
    until(lambda: not watchers)
    paths = [f"/{name}/ServerReflectionInfo" for name in grpc_extras._services()[2:]]
    streams = [channel.stream_stream(path) for path in paths]
    streams.append(channel.stream_stream("/grpc.health.v1.Health/Watch"))
    for end in (lambda call: call.cancel(), list):
        told = threading.Event()
        calls = [stream(iter(told.wait, True)) for stream in streams[: 2 if end is list else 3]]
        until(lambda calls=calls: len(watchers) == len(calls))  # type: ignore[misc]  # its default
        told.set()
        for call in calls:
            end(call)
        until(lambda: not watchers)


def test_unknown_methods_and_services(channel: grpc.Channel) -> None:
    for path in ("/inference.GRPCInferenceService/ModelStreamInfer", "/other/Thing"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
