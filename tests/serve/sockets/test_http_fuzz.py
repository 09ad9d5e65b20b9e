"""HTTP as it must not be: one 4xx with a reason for each request, and the server goes on."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.conftest import Running
from tests.serve.sockets.wire import HttpAnswer, asked, exchange, goes_on, inputs, post

pytestmark = pytest.mark.usefixtures("no_traceback")
GOOD = json.dumps(inputs()).encode()
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def refused(answers: list[HttpAnswer], status: int, *words: str) -> None:
    """One answer, which ends the connection, with a reason."""
    (answer,) = answers
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    for word in words:
        assert word in answer.error


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400, ""),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400, ""),
        ("Content-Length: 5\r\nContent-Length: 5", 400, ""),
        ("Content-Length: 5\r\nContent-Length: 6", 400, ""),
        ("Content-Length: 5, 5", 400, ""),
        ("Content-Length: +5", 400, ""),
        ("Content-Length: 0x5", 400, ""),
        ("Content-Length: 5 5", 400, ""),
        ("Content-Length: -5", 400, ""),
        ("Content-Length: 18446744073709551617", 400, ""),
        ("Content-Length:", 400, ""),
        ("Content-Length : 5", 400, ""),
        ("Content-Length\t: 5", 400, ""),
        ("Content-Length: 5\r\n folded", 400, ""),
        ("X: 1\r\n\tContent-Length: 5", 400, ""),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400, ""),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 400, "twice"),
        ("Transfer-Encoding: xchunked", 400, ""),
        ("Transfer-Encoding: chunked, identity", 400, ""),
        ("Transfer-Encoding: chunked, chunked", 400, ""),
        ("Transfer-Encoding: identity, chunked", 501, "transfer coding"),
        ("Transfer-Encoding:\x0bchunked", 400, ""),
        ("X: a\rTransfer-Encoding: chunked", 400, ""),
        ("X: a\nTransfer-Encoding: chunked", 400, ""),
        ("X: a\0b", 400, ""),
        ("X\0: a", 400, ""),
        (": empty", 400, ""),
        ("no colon", 400, ""),
        ("Inference-Header-Content-Length: -1", 400, "must be a length in bytes, got '-1'"),
        ("Inference-Header-Content-Length: 1e3", 400, "must be a length in bytes"),
        ("Inference-Header-Content-Length: \xb2", 400, "must be a length in bytes"),
        ("Inference-Header-Content-Length: 99999999999999999999", 400, "must be a length"),
        ("Inference-Header-Content-Length: 5\r\nInference-Header-Content-Length: 6", 400, "twice"),
        ("Host: b", 400, "twice"),
    ],
)
def test_heads_that_lie(served: Running, head: str, status: int, words: str) -> None:
    """Each of these is how a request is smuggled past somebody who reads it otherwise."""
    data = (
        f"POST /v2/models/identity/infer HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n"
        "0\r\n\r\nGET /v2 HTTP/1.1\r\n\r\n"
    )
    refused(exchange(served, data.encode("latin-1")), status, words)
    goes_on(served)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v2 HTTP/1.1\nHost: a\n\n",
        b"GET /v2 HTTP/1.1\r\nHost: a\n\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET /v2 HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET /v2\r\n\r\n",
        b"GET /v2 HTTP/1.2\r\n\r\n",
        b"GET /v2 HTTP/0.9\r\n\r\n",
        b"GET /v2 HTTP/11\r\n\r\n",
        b"GET /v\x002 HTTP/1.1\r\n\r\n",
        b"GET /v 2 HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"get /v2 HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"POST /v2 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_request_lines_that_are_none(served: Running, data: bytes) -> None:
    (answer,) = exchange(served, data + b"GET /v2 HTTP/1.1\r\n\r\n")
    assert answer.status in (400, 505)
    assert answer.error
    goes_on(served)


@pytest.mark.parametrize("request_", [
    post(GOOD),
    post(b"%x;a=b\r\n" % len(GOOD) + GOOD + b"\r\n0\r\nT: 1\r\n\r\n", "identity",
         "Transfer-Encoding: chunked"),
], ids=["length", "chunked"])  # fmt: skip
def test_torn_at_every_byte(served: Running, request_: bytes) -> None:
    """Whatever is missing: an answer that says so, never silence and never two."""
    for end in range(1, len(request_)):
        (answer,) = exchange(served, request_[:end])
        assert (answer.status, answer.error) == (400, "the connection ended within a request")
    (answer,) = exchange(served, *(request_[i : i + 1] for i in range(len(request_))))
    assert answer.status == 200


@FUZZ
@given(data=st.data())
def test_spoiled_requests(served: Running, data: st.DataObject) -> None:
    """A 4xx for what is spoiled; what follows is answered or not, but never twice."""
    spoiled = bytearray(post(GOOD, "identity", f"Inference-Header-Content-Length: {len(GOOD)}"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    found = exchange(served, bytes(spoiled))
    for answer in found:
        assert answer.status == 200 or answer.status // 100 == 4 or answer.status in (501, 505)
        assert answer.status == 200 or answer.error
    assert len(found) <= 1 + spoiled.count(b"\r\n\r\n") + spoiled.count(b"\n")


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
            | st.sampled_from(["INPUT0", "FP32", "BYTES", 2**63, -(2**63), 2**64, 10**400]),
            lambda inner: st.lists(inner, max_size=17)
            | st.dictionaries(st.sampled_from(["binary_data_size", "a"]), inner, max_size=2),
            max_leaves=20,
        ),
        min_size=1,
    )
)  # fmt: skip
def test_json_of_any_kind(served: Running, changes: dict[str, Any]) -> None:
    answer = asked(served, inputs(**changes))
    assert answer.status in (200, 400)
    assert answer.status == 200 or answer.error


FLAT = [1.0] * 16


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "OTHER"}, ["'OTHER'", "INPUT0"]),
        ({"name": None}, ["'name'"]),
        ({"datatype": "FP64"}, ["'INPUT0'", "'FP64'", "'FP32'"]),
        ({"datatype": "FP99"}, ["'INPUT0'", "'FP99'", "FP32"]),
        ({"datatype": "BYTES"}, ["'INPUT0'", "'BYTES'", "'FP32'"]),
        ({"datatype": 7}, ["'INPUT0'", "'datatype'"]),
        ({"shape": [16]}, ["'INPUT0'", "[-1,16]", "[16]"]),
        ({"shape": [1, 15]}, ["'INPUT0'", "[-1,16]", "[1,15]"]),
        ({"shape": [2, 16]}, ["'INPUT0'", "32", "16"]),
        ({"shape": [1, 16, 1]}, ["'INPUT0'", "[-1,16]"]),
        ({"shape": [-1, 16]}, ["'INPUT0'", "at least 1"]),
        ({"shape": [0, 16]}, ["'INPUT0'", "at least 1"]),
        ({"shape": [65, 16]}, ["<= 64"]),
        ({"shape": [1, 2**63]}, ["'INPUT0'", "[-1,16]"]),
        ({"shape": [2**64, 16]}, ["'INPUT0'", "'shape'"]),
        ({"shape": [1, True]}, ["'INPUT0'", "'shape'"]),
        ({"shape": [1, 16.0]}, ["'INPUT0'", "'shape'"]),
        ({"shape": None}, ["'INPUT0'", "'shape'"]),
        ({"shape": [1] * 100_000}, ["'INPUT0'", "[-1,16]"]),
        ({"data": None}, ["'INPUT0'", "'data'"]),
        ({"data": FLAT[1:]}, ["'INPUT0'", "16", "15"]),
        ({"data": [*FLAT, 1.0]}, ["'INPUT0'", "16", "17"]),
        ({"data": [*FLAT[1:], "1"]}, ["'INPUT0'", "FP32"]),
        ({"data": [*FLAT[1:], True]}, ["'INPUT0'", "FP32"]),
        ({"data": [*FLAT[1:], None]}, ["'INPUT0'", "FP32"]),
        ({"data": "1"}, ["'INPUT0'", "'data'"]),
        ({"parameters": {"binary_data_size": 64}}, ["'INPUT0'", "both"]),
        ({"data": None, "parameters": {"binary_data_size": 64}}, ["'INPUT0'", "64", "0 bytes"]),
        ({"data": None, "parameters": {"binary_data_size": -1}}, ["'INPUT0'", "-1"]),
        ({"data": None, "parameters": {"binary_data_size": 2**63}}, ["'INPUT0'"]),
        ({"data": None, "parameters": {"binary_data_size": 0}}, ["'INPUT0'", "64", "0"]),
    ],
)  # fmt: skip
def test_tensors_that_lie(served: Running, changes: dict[str, Any], words: list[str]) -> None:
    answer = asked(served, inputs(**changes))
    assert answer.status == 400
    for word in words:
        assert word in answer.error
    assert len(answer.body) < 8192


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "1e39",
                                   "0x1", "01", "1.", ".5", "+1", "1_0", "--1"])  # fmt: skip
def test_numbers_that_json_or_the_type_does_not_have(served: Running, token: str) -> None:
    body = json.dumps(inputs()).replace("1.0", token, 1).encode()
    answer = asked(served, body)
    assert (answer.status, bool(answer.error)) == (400, True)


def test_whole_numbers_that_the_type_cannot_hold(served: Running) -> None:
    for number in (2**63, 2**64, -(2**63) - 1, 1.5, 1e18):
        changed = inputs(datatype="INT64", shape=[1, 2], data=[1, number])
        answer = asked(served, changed, model="whole")
        assert (answer.status, "'INPUT0'" in answer.error) == (400, True)


@pytest.mark.parametrize("length", ["0", "1", "63", "64", "65", "100000", "999999999999999999"])
def test_inference_header_length_lies(served: Running, length: str) -> None:
    header = json.dumps(inputs(data=None, parameters={"binary_data_size": 64})).encode()
    body = header + bytes(64)
    answer = asked(served, body, f"Inference-Header-Content-Length: {length}")
    assert answer.status == 400
    assert answer.error
    good = asked(served, body, f"Inference-Header-Content-Length: {len(header)}")
    assert good.status == 200


@pytest.mark.parametrize("behind", [b"x", bytes(64), b" ", b"{}"])
def test_bytes_behind_the_tensors(served: Running, behind: bytes) -> None:
    header = json.dumps(inputs(data=None, parameters={"binary_data_size": 64})).encode()
    answer = asked(served, header + bytes(64) + behind,
                   f"Inference-Header-Content-Length: {len(header)}")  # fmt: skip
    assert (answer.status, f"{len(behind)} bytes are left" in answer.error) == (400, True)


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"1", b'"x"', b"{", b'{"inputs"}', b'{"inputs":null}', b'{"inputs":{}}',
     b'{"inputs":[1]}', b'{"inputs":[]}', b'{"id":1,"inputs":[]}', b"\xff\xfe", b"\xef\xbb\xbf{}",
     b'{"inputs":[],"outputs":[1]}', b'{"id":"\\ud800"}', b'{"parameters":[],"inputs":[]}',
     GOOD[:-1] + b',"outputs":[{"name":"NONE"}]}', GOOD + b"x", GOOD + GOOD,
     GOOD[:-1] + b',"parameters":{"priority":-1}}', GOOD[:-1] + b',"parameters":{"a":null}}'],
)  # fmt: skip
def test_json_that_is_no_request(served: Running, text: bytes) -> None:
    answer = asked(served, text)
    assert (answer.status, bool(answer.error)) == (400, True)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", GOOD, 400),
        ("gzip", gzip.compress(GOOD)[:-9], 400),
        ("gzip", b"", 400),
        ("deflate", zlib.compress(GOOD)[:-1], 400),
        ("deflate", gzip.compress(GOOD), 400),
        ("gzip", gzip.compress(b"[" * (100 << 20)), 413),
        ("br", GOOD, 501),
        ("gzip, gzip", gzip.compress(gzip.compress(GOOD)), 501),
        ("gzip", gzip.compress(GOOD), 200),
        ("deflate", zlib.compress(GOOD), 200),
    ],
    ids=map(str, range(10)),
)
def test_content_codings_that_lie(served: Running, coding: str, body: bytes, status: int) -> None:
    answer = asked(served, body, f"Content-Encoding: {coding}")
    assert answer.status == status
    assert status == 200 or answer.error


def test_a_refusal_arrives_although_the_client_goes_on_sending(served: Running) -> None:
    """A socket that is closed with unread bytes is reset, and the answer may be lost with it."""
    head = b"POST /v2 HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"
    for _ in range(5):
        refused(exchange(served, head, *[bytes(1 << 20)] * 20), 413, "larger than")
