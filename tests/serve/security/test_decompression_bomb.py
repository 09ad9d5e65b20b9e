"""A few bytes that become gigabytes, over both protocols (Triton #8570)."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from functools import cache

import pytest
from trtserve.errors import ServeError
from trtserve.protocols.compression import decompressed

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, framed, goes_on, inputs

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


def test_nothing_is_hidden_behind_compressed_data(served: Running) -> None:
    """One who looks at the whole body sees other bytes than the server."""
    data = json.dumps(inputs()).encode()
    for packed, coding in (
        (gzip.compress(data) + b"XXXXX", "gzip"), (gzip.compress(data) + bytes(8), "gzip"),
        (gzip.compress(data) + gzip.compress(b"x")[:-1], "gzip"),
        (zlib.compress(data) + b"X", "deflate"), (zlib.compress(data) * 2, "deflate"),
    ):  # fmt: skip
        answer = asked(served, packed, f"Content-Encoding: {coding}")
        assert (answer.status, f"the body is no {coding}" in answer.error) == (400, True)
        code, text = called(served, framed(packed, 1), ("grpc-encoding", coding))
        assert (code, f"the body is no {coding}" in text) == (3, True)


def test_gzip_members_are_one_body(served: Running) -> None:
    """RFC 1952, section 2.2."""
    data = json.dumps(inputs()).encode()
    members = [gzip.compress(data[at : at + 10]) for at in range(0, len(data), 10)]
    assert asked(served, b"".join(members), "Content-Encoding: gzip").status == 200
    large = [gzip.compress(bytes(300_000)), gzip.compress(random.Random(1).randbytes(100_000))]
    assert decompressed(b"".join(large), "gzip", 400_000)[:300_000] == bytes(300_000)
    with pytest.raises(ServeError, match="larger than 399999"):
        decompressed(b"".join(large), "gzip", 399_999)
    with pytest.raises(ServeError, match="more than 1000 gzip members"):
        decompressed(gzip.compress(b"") * 3_000_000, "gzip", 1 << 20)
