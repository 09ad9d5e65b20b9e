"""What is held for all clients together, and by one."""

from __future__ import annotations

import pytest
from trtserve.protocols.budget import STAGED_BYTES, STEP_BYTES, Budget, Share
from trtserve.protocols.http1 import RequestReader
from trtserve.protocols.http1_head import HttpError

MIB = 1 << 20


def test_what_is_taken_is_given_back() -> None:
    budget = Budget(10 * MIB)
    first, second = Share(budget), Share(budget)
    assert first.grow(1, 8 * MIB)
    assert budget.used_bytes == 16384  # a step ahead
    assert first.grow(STAGED_BYTES, 8 * MIB)
    assert budget.used_bytes == STAGED_BYTES
    assert first.grow(STAGED_BYTES + 1, 8 * MIB)  # its memory is made
    assert budget.used_bytes == STEP_BYTES
    assert first.grow(STEP_BYTES, 8 * MIB)
    assert budget.used_bytes == STEP_BYTES
    assert first.grow(8 * MIB, 8 * MIB)
    assert not second.grow(3 * MIB, 3 * MIB)
    assert (second.held_bytes, budget.full) == (0, False)
    second.set(5 * MIB)  # what is there already cannot be refused
    assert budget.full
    assert "10485760 bytes" in budget.refusal
    first.set(0)
    second.set(0)
    assert budget.used_bytes == 0


HEAD = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_bodies_are_charged_as_they_come() -> None:
    budget = Budget(4 * MIB)
    readers = [RequestReader(8 * MIB, budget) for _ in range(3)]
    for reader in readers[:2]:
        reader.receive(HEAD % (3 * MIB) + bytes(200_000))
        assert reader.next_request() is None
    assert budget.used_bytes == 4 * MIB
    readers[2].receive(b"GET / HTTP/1.1\r\n\r\n" + HEAD % 1)
    assert readers[2].next_request()  # without a body: a probe is answered
    with pytest.raises(HttpError, match="try again later") as caught:
        readers[2].next_request()
    assert caught.value.status == 503
    readers[1].abandon()
    for reader, size in ((readers[0], 3 * MIB - 200_000),):
        space = reader.space()
        assert space is not None
        reader.filled(size)
        request = reader.next_request()
        assert request is not None
        assert budget.used_bytes == 3 * MIB  # held until it is answered
        reader.release()
    assert budget.used_bytes == 0


def test_chunks_and_what_bodies_swell_to_are_charged() -> None:
    budget = Budget(4 * MIB)
    reader = RequestReader(8 * MIB, budget)
    reader.receive(CHUNKED + b"100000\r\n" + bytes(MIB) + b"\r\n0\r\n\r\n")
    request = reader.next_request()
    assert request is not None
    assert len(request.body) == MIB
    assert budget.used_bytes == STEP_BYTES
    reader.hold(3 * MIB)
    assert budget.used_bytes == 3 * MIB
    with pytest.raises(HttpError):
        reader.hold(5 * MIB)
    reader.release()
    assert budget.used_bytes == 0
