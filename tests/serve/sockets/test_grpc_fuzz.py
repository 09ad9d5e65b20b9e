"""gRPC as it must not be: a status with a reason for each call, and the server goes on."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.sockets.wire import called, calls_to, framed, goes_on, good_message

pytestmark = pytest.mark.usefixtures("no_traceback")
OK, CANCELLED, INVALID, EXHAUSTED, UNIMPLEMENTED = 0, 1, 3, 8, 12
GOOD = good_message().SerializeToString()


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", UNIMPLEMENTED, "one message, not none"),
        (framed(GOOD) * 2, UNIMPLEMENTED, "one message, not more"),
        (framed(GOOD) + b"\0", INVALID, "ends within a message"),
        (framed(GOOD)[:-1], INVALID, "ends within a message"),
        (b"\0\0\0", INVALID, "ends within a message"),
        (b"\0\0\0\1\0" + GOOD, INVALID, "ends within a message"),
        (b"\0\0\0\0\4" + GOOD, INVALID, "flag"),
        (b"\0\xff\xff\xff\xff" + GOOD, EXHAUSTED, "larger than max (4294967295"),
        (framed(GOOD, 2), INVALID, "flag 2"),
        (framed(GOOD, 255), INVALID, "flag 255"),
        (framed(GOOD, 1), INVALID, "grpc-encoding names no coding"),
        (framed(b""), INVALID, ""),
        (framed(b"\xff" * 40), INVALID, "ModelInferRequest"),
    ],
    ids=map(str, range(13)),
)
def test_framing_that_lies(served: Running, body: bytes, code: int, words: str) -> None:
    found, text = called(served, body)
    if body == framed(b""):
        assert found == 5  # a model without a name is not found
    else:
        assert (found, words in text) == (code, True)
    goes_on(served)


@pytest.mark.parametrize(
    ("coding", "body", "code"),
    [
        ("gzip", framed(gzip.compress(GOOD), 1), OK),
        ("deflate", framed(zlib.compress(GOOD), 1), OK),
        ("gzip", framed(GOOD), OK),
        ("snappy", framed(GOOD), OK),  # named, not used
        ("snappy", framed(GOOD, 1), UNIMPLEMENTED),
        ("identity", framed(GOOD, 1), INVALID),
        ("gzip", framed(GOOD, 1), INVALID),
        ("gzip", framed(gzip.compress(GOOD)[:-3], 1), INVALID),
        ("gzip", framed(b"", 1), INVALID),
        ("gzip", framed(gzip.compress(bytes(100 << 20)), 1), EXHAUSTED),
    ],
    ids=map(str, range(10)),  # not the bytes: gzip writes the time into them
)
def test_compression_that_lies(served: Running, coding: str, body: bytes, code: int) -> None:
    assert called(served, body, ("grpc-encoding", coding))[0] == code
    goes_on(served)


@pytest.mark.parametrize("size", [1, 4, 5, 6, 20, 1 << 14])
def test_messages_torn_into_frames(served: Running, size: int) -> None:
    body = framed(GOOD)
    with calls_to(served) as calls:
        stream = calls.begin()
        for start in range(0, len(body), size):
            calls.send(stream, body[start : start + size], end=False)
        calls.send(stream, b"")
        assert calls.answer(stream)[0] == OK


def test_requests_torn_at_every_byte(served: Running) -> None:
    body = framed(GOOD)
    with calls_to(served) as calls:
        for end in range(1, len(body)):
            stream = calls.begin()
            calls.send(stream, body[:end])
            assert calls.answer(stream) == (INVALID, "the request ends within a message")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("content-type", None), "415"),
        (("content-type", "application/json"), "415"),
        (("content-type", "application/grpcx"), "415"),
        (("content-type", "application/grpc-web"), "415"),
        (("content-type", "application/grpc+json"), "415"),
        ((":method", "GET"), "405"),
        ((":method", "PUT"), "405"),
    ],
    ids=str,
)
def test_what_is_no_grpc_call(served: Running, change: tuple[str, str], status: str) -> None:
    with calls_to(served) as calls:
        stream = calls.begin(change)
        calls.http2.end_stream(stream)
        while stream not in calls.over:
            calls._read()
        assert calls.headers[stream][b":status"] == status.encode()
    goes_on(served)


@pytest.mark.parametrize(
    "change",
    [
        (":path", None), (":method", None), (":scheme", None), (":authority", None),
        (":path", ""), ("te", "gzip"), ("connection", "close"), ("Upper", "x"), ("a", "x\r\ny"),
    ],
    ids=str,
)  # fmt: skip
def test_headers_that_are_none_reset_their_stream(
    served: Running, change: tuple[str, str | None]
) -> None:
    with calls_to(served) as calls:
        bad = calls.begin(change)
        calls.flush()
        while bad not in calls.resets:
            calls._read()
        good = calls.begin()
        calls.send(good, framed(GOOD))
        assert calls.answer(good)[0] == OK


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("content-type", "application/grpc+proto"), OK),
        (("content-type", "application/grpc;charset=utf-8"), OK),
        (("te", None), OK),
        ((":path", "/inference.GRPCInferenceService/Nothing"), UNIMPLEMENTED),
        ((":path", "/ModelInfer"), UNIMPLEMENTED),
        ((":path", "*"), UNIMPLEMENTED),
        ((":path", "/inference.GRPCInferenceService/ModelInfer/"), UNIMPLEMENTED),
        ((":path", "/" + "x" * 8000), UNIMPLEMENTED),
        ((":path", "/inference.GRPCInferenceService/SystemSharedMemoryRegister"), UNIMPLEMENTED),
    ],
    ids=lambda value: str(value)[:60],
)
def test_paths_and_types(served: Running, change: tuple[str, str], code: int) -> None:
    assert called(served, framed(GOOD), change)[0] == code


def test_trailers_from_the_client_end_its_request(served: Running) -> None:
    with calls_to(served) as calls:
        stream = calls.begin()
        calls.send(stream, framed(GOOD), end=False)
        calls.http2.send_headers(stream, [("x", "y")], end_stream=True)
        calls.flush()
        assert calls.answer(stream)[0] == OK


CHANGES: list[tuple[Callable[[Any], Any], list[str]]] = [
    (lambda r: r.raw_input_contents.append(b"x"), ["1", "2"]),
    (lambda r: r.ClearField("raw_input_contents"), ["1", "0"]),
    (lambda r: r.raw_input_contents.extend([b""] * 9000), ["raw_input_contents"]),
    (lambda r: r.raw_input_contents.__setitem__(0, bytes(63)), ["'INPUT0'", "64", "63"]),
    (lambda r: r.raw_input_contents.__setitem__(0, b""), ["'INPUT0'", "64", "0"]),
    (lambda r: r.raw_input_contents.__setitem__(0, bytes(1 << 20)), ["'INPUT0'", "64", "1048576"]),
    (lambda r: r.inputs[0].contents.fp32_contents.append(1), ["'INPUT0'", "contents"]),
    (lambda r: r.inputs[0].contents.Clear() or r.inputs[0].contents.SetInParent(), ["'INPUT0'"]),
    (lambda r: r.inputs[0].shape.__setitem__(1, 2**62), ["'INPUT0'", "[-1,16]"]),
    (lambda r: r.inputs[0].shape.__setitem__(0, -(2**63)), ["'INPUT0'", "at least 1"]),
    (lambda r: r.inputs[0].shape.__setitem__(0, 2), ["'INPUT0'", "128", "64"]),
    (lambda r: r.inputs[0].shape.extend([1] * 100_000), ["'INPUT0'", "[-1,16]"]),
    (lambda r: r.inputs[0].ClearField("shape"), ["'INPUT0'"]),
    (lambda r: setattr(r.inputs[0], "datatype", "FP99"), ["'INPUT0'", "'FP99'", "FP32"]),
    (lambda r: setattr(r.inputs[0], "datatype", "INT32"), ["'INPUT0'", "'INT32'", "'FP32'"]),
    (lambda r: setattr(r.inputs[0], "name", "OTHER"), ["'OTHER'", "INPUT0"]),
    (lambda r: r.inputs.append(r.inputs[0]), ["1", "2"]),
    (lambda r: r.ClearField("inputs"), ["INPUT0"]),
    (lambda r: r.outputs.add(name="OTHER"), ["'OTHER'"]),
    (lambda r: r.outputs.add().parameters["classification"].__setattr__("int64_param", 2**62),
     ["''"]),
    (lambda r: r.parameters["priority"].__setattr__("string_param", "x"), ["'priority'"]),
    (lambda r: r.parameters["timeout"].__setattr__("int64_param", -1), ["'timeout'"]),
    (lambda r: r.parameters["nothing"].SetInParent(), ["'nothing'"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=map(str, range(len(CHANGES))))
def test_tensors_that_lie(served: Running, change: Callable[[Any], Any], words: list[str]) -> None:
    request = good_message()
    change(request)
    code, text = called(served, request)
    assert code == INVALID
    for word in words:
        assert word in text
    assert len(text) <= 3 * 4096


TYPED = [
    ("FP32", "fp32_contents", [1.0] * 15, ["'INPUT0'", "16", "15"]),
    ("FP32", "fp64_contents", [1.0] * 16, ["'INPUT0'", "fp32_contents"]),
    ("FP32", "bytes_contents", [b"x"] * 16, ["'INPUT0'", "fp32_contents"]),
    ("FP32", "int_contents", [1] * 17, ["'INPUT0'", "fp32_contents"]),
]


@pytest.mark.parametrize(("dtype", "field", "values", "words"), TYPED, ids=map(str, range(4)))
def test_typed_contents_that_lie(
    served: Running, dtype: str, field: str, values: list[Any], words: list[str]
) -> None:
    request = message("ModelInferRequest")(model_name="identity")
    given = request.inputs.add(name="INPUT0", datatype=dtype, shape=(1, 16))
    getattr(given.contents, field).extend(values)
    code, text = called(served, request)
    assert code == INVALID
    for word in words:
        assert word in text


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_spoiled_bodies(served: Running, data: st.DataObject) -> None:
    spoiled = bytearray(framed(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    code, _ = called(served, bytes(spoiled))
    assert code in (OK, INVALID, 5, EXHAUSTED, UNIMPLEMENTED)
