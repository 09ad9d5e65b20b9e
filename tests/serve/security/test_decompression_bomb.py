"""A few bytes that become gigabytes, over both protocols (Triton #8570)."""

from __future__ import annotations

import gzip
import zlib
from functools import cache

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, framed, goes_on

pytestmark = pytest.mark.usefixtures("no_traceback")


@cache
def bomb(coding: str) -> bytes:
    """200 MiB, three times what a request may have, in 200 KB."""
    data = b"[" * (200 << 20)
    return gzip.compress(data) if coding == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_bombs_are_refused_while_they_are_read(served: Running, coding: str) -> None:
    packed = bomb(coding)
    assert len(packed) < 1 << 20
    answer = asked(served, packed, f"Content-Encoding: {coding}")
    assert (answer.status, "larger than" in answer.error) == (413, True)
    code, text = called(served, framed(packed, 1), ("grpc-encoding", coding))
    assert (code, "larger than" in text) == (8, True)
    goes_on(served)


def test_a_bomb_within_a_bomb_is_no_coding(served: Running) -> None:
    packed = gzip.compress(bomb("gzip"))
    assert asked(served, packed, "Content-Encoding: gzip, gzip").status == 501
