"""Triton's gRPC messages (`grpc_service.proto`), without importing grpc.

`tritonclient` ships them, but its package imports grpc, which costs a tenth of a second and
re-enables the GIL on free-threaded Pythons. Only the file descriptor is taken out of it.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from trtbuild.modelconfig.schema import schema


def _serialized(module: str) -> bytes:
    """The file descriptor within a generated `_pb2` module, whose code is not run."""
    spec = importlib.util.find_spec("tritonclient")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "grpc" / f"{module}.py").read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AddSerializedFile"):
            value = ast.literal_eval(node.args[0])
            assert isinstance(value, bytes)
            return value
    raise AssertionError(f"no descriptor in {module}")


@cache
def descriptor() -> Any:
    """The descriptor of `grpc_service.proto`."""
    pool = descriptor_pool.Default()
    try:
        return pool.FindFileByName("grpc_service.proto")
    except KeyError:
        schema()  # puts model_config.proto, which the service's file needs, into the pool
        pool.AddSerializedFile(_serialized("service_pb2"))
        return pool.FindFileByName("grpc_service.proto")


@cache
def message(name: str) -> Any:
    """The message class `inference.<name>`."""
    return message_factory.GetMessageClass(descriptor().message_types_by_name[name])


def file_from_text(
    name: str, package: str, messages: dict[str, str], service: str, methods: dict[str, str]
) -> Any:
    """Add a small proto file to the pool and return its descriptor.

    messages: name -> "label type field=number; ...", label empty or `repeated`, type a scalar's
    or a message's name. methods: name -> "Request [stream] Response".
    """
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message_name, fields in messages.items():
        _add_message(file, message_name, fields)
    added = file.service.add(name=service)
    for method, signature in methods.items():
        request, *stream, response = signature.split()
        added.method.add(
            name=method,
            input_type=f".{package}.{request}",
            output_type=f".{package}.{response}",
            server_streaming=bool(stream),
            client_streaming=stream == ["streams"],
        )
    pool = descriptor_pool.Default()
    try:
        return pool.FindFileByName(name)
    except KeyError:
        pool.AddSerializedFile(file.SerializeToString())
        return pool.FindFileByName(name)


_SCALARS = {"string": 9, "bytes": 12, "int32": 5, "bool": 8}


def _add_message(file: Any, name: str, fields: str) -> None:
    added = file.message_type.add(name=name)
    for text in filter(None, map(str.strip, fields.split(";"))):
        *label, type_, assignment = text.split()
        field, _, number = assignment.partition("=")
        row = added.field.add(name=field, number=int(number), json_name=field)
        row.label = 3 if label == ["repeated"] else 1
        if type_ in _SCALARS:
            row.type = _SCALARS[type_]
        else:
            row.type = 11 if type_[0].isupper() else 14
            row.type_name = f".{file.package}.{type_}"
