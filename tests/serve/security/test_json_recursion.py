"""JSON nested until the parser's stack ends (Triton #8172)."""

from __future__ import annotations

import json

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, exchange, goes_on, inputs

pytestmark = pytest.mark.usefixtures("no_traceback")
GOOD = json.dumps(inputs())


@pytest.mark.parametrize("depth", [101, 1000, 1025, 100_000, 10_000_000])
@pytest.mark.parametrize("shape", ["data", "request", "object", "parameters"])
def test_depth_is_refused(served: Running, shape: str, depth: int) -> None:
    lists = "[" * depth + "]" * depth
    text = {
        "data": lambda: GOOD.replace("[1.0, ", lists[:-depth] + "1.0" + lists[depth:] + ",[", 1),
        "request": lambda: lists,
        "object": lambda: '{"a":' * depth + "1" + "}" * depth,
        "parameters": lambda: GOOD[:-1] + ',"parameters":{"a":' + lists + "}}",
    }[shape]()
    answer = asked(served, text.encode())
    assert (answer.status, bool(answer.error)) == (400, True)
    goes_on(served)


@pytest.mark.parametrize("path", ["/v2/logging", "/v2/repository/index"])
def test_other_bodies_too(served: Running, path: str) -> None:
    body = b'{"a":' * 200_000
    head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    (answer,) = exchange(served, head + body)
    assert (answer.status, bool(answer.error)) == (400, True)
