"""Requests that are small and make the server large (CVE-2026-24146)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trtserve import tensors
from trtserve.errors import ServeError

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, calls_to, exchange, good_message, inputs
from tests.work import lines_run

pytestmark = pytest.mark.usefixtures("no_traceback")
_MANY = 20_000


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def test_an_output_named_many_times_is_answered_once(served: Running) -> None:
    body = inputs() | {"outputs": [{"name": "OUTPUT0"}] * _MANY}
    answer = asked(served, body)
    assert (answer.status, len(json.loads(answer.body)["outputs"])) == (200, 1)
    request = good_message()
    for _ in range(_MANY):
        request.outputs.add(name="OUTPUT0")
    assert called(served, request)[0] == 0


def test_an_input_given_many_times_is_refused(served: Running) -> None:
    answer = asked(served, {"inputs": inputs()["inputs"] * _MANY})
    assert (answer.status, len(answer.body) < 8192) == (400, True)


@pytest.mark.parametrize("count", [2**31, 2**63 - 1])
def test_more_classes_than_elements(served: Running, count: int) -> None:
    outputs = [{"name": "OUTPUT0", "parameters": {"classification": count}}]
    answer = asked(served, inputs() | {"outputs": outputs})
    assert answer.status == 200
    assert json.loads(answer.body)["outputs"][0]["shape"] == [1, 16]


def test_promised_bytes_cost_nothing_until_they_come(served: Running) -> None:
    """A head that promises the greatest body, from many clients: address space, no memory."""
    limit = served.server._settings.max_input_bytes
    before = forget_peak()
    with calls_to(served) as calls:
        for _ in range(100):
            stream = calls.begin()
            calls.send(stream, b"\0" + (limit - 100).to_bytes(4, "big") + b"x", end=False)
        assert exchange(served, f"POST / HTTP/1.1\r\nContent-Length: {limit}\r\n\r\n".encode())
    assert peak_bytes() - before < 4 * limit  # a hundred of them would be 6.4 GB


def test_ids_and_headers_are_not_kept_without_end(served: Running) -> None:
    """Caches of heads and headers hold a bounded number."""
    version = served.server.models.version("identity")
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    for number in range(600):
        body = inputs() | {"id": str(number), "outputs": outputs}
        assert asked(served, body, f"X: {number}").status == 200
    caches = [kept for kept in vars(version.codec).values() if isinstance(kept, dict)]
    assert any(caches)
    assert all(len(kept) <= 512 for kept in caches)


FEW = 10_000  # lines of Python, for what is refused without a look at all of it


def refused(words: str, check: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    """A check must refuse. Returns the lines of Python that it ran, and the bytes that it held."""
    with lines_run() as count, pytest.raises(ServeError, match=words):
        check(*arguments)
    tracemalloc.start()
    with pytest.raises(ServeError, match=words):
        check(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count.lines, peak


def test_deep_lists_are_passed_over_once() -> None:
    """Each level of nesting was once more a pass and a copy: 2 KB of gzip took six seconds."""
    deep: Any = [1.0]
    for _ in range(97):
        deep = [deep]
    data = [deep, *[1.0] * 1_000_000]
    lines, peak = refused("needs 16 elements", tensors.wire_from_json, data, "FP32", (16,), "x")
    assert (lines < FEW, peak < 1 << 20) == (True, True), (lines, peak)


def test_many_lists_are_left_at_the_first_element_too_many() -> None:
    data = [[1.0]] * 2_000_000
    lines, peak = refused("needs 16 elements", tensors.wire_from_json, data, "FP32", (16,), "x")
    assert (lines < FEW, peak < 1 << 20) == (True, True), (lines, peak)


def test_elements_of_bytes_are_counted_no_further_than_needed() -> None:
    """64 MiB of zeros are sixteen million empty elements, in 65 KB of gzip."""
    data = bytes(64 << 20)
    lines, peak = refused("expected 1 strings", tensors.check_bytes, data, (1,), "x")
    assert (lines < FEW, peak < 1 << 20) == (True, True), (lines, peak)
