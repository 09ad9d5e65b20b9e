import fcntl
import os
import socket
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trtserve.backends.python import slab
from trtserve.backends.python.channel import Channel, PeerGoneError, Received
from trtserve.backends.python.layout import Signature, Spec

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield Channel(one), Channel(other)


def of_size(size: int) -> Signature:
    return Signature((Spec("x", "UINT8", (size,)),))


def send(channel: Channel, data: np.ndarray) -> None:
    channel.signal(3, channel.put([(of_size(data.size), [data])]))


def arrays(received: Received) -> list[bytes]:
    return [
        received.memory[start : start + run.sizes[0]].tobytes()
        for run in received.runs
        for start in run.starts
    ]


@pytest.mark.parametrize("size", [0, 1, 64, 100_000, 200_000, 5_000_000])
def test_tensors_arrive_whatever_their_size(pair: Pair, size: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    for _ in range(2):
        send(pair[0], data)
        received = pair[1].receive()
        assert (received.kind, arrays(received)) == (3, [data.tobytes()])


def test_a_slab_grows_and_is_used_again(pair: Pair) -> None:
    for size in (10, 3_000_000, 20):
        send(pair[0], np.full(size, 7, np.uint8))
        assert arrays(pair[1].receive()) == [b"\7" * size]
    assert pair[0]._mine is not None
    assert pair[0]._mine.size == 1 << 22  # the smallest power of two that holds the largest


def test_a_slab_that_is_far_too_large_is_given_back(pair: Pair) -> None:
    send(pair[0], np.zeros(50_000_000, np.uint8))
    pair[1].receive()
    for i in range(110):
        send(pair[0], np.full(100, i, np.uint8))
        assert arrays(pair[1].receive()) == [bytes((i,)) * 100]
    for channel in pair:
        held = channel._mine or channel._theirs
        assert held is not None
        assert held.size == 1 << 20


def test_memory_that_the_peer_keeps_is_not_written_over(pair: Pair) -> None:
    send(pair[0], np.full(100, 1, np.uint8))
    kept = pair[1].receive()
    pair[1].signal(3, pair[1].put([]), kept=True)
    pair[0].receive()
    send(pair[0], np.full(100, 2, np.uint8))
    assert arrays(pair[1].receive()) == [b"\2" * 100]
    assert arrays(kept) == [b"\1" * 100]


def test_a_weak_reference_tells_whether_a_window_is_in_use() -> None:
    memory, fd = slab.create(4096)
    os.close(fd)
    window = memory.window()
    in_use = weakref.ref(window)
    view = np.ndarray((2, 2), np.float32, window, 64)[1:]
    del window
    assert in_use() is not None
    del view
    assert in_use() is None


def test_a_note_crosses(pair: Pair) -> None:
    pair[0].send_note(5, "für 你 " * 50_000)
    assert pair[1].receive().note() == "für 你 " * 50_000


def test_an_end_that_closes_wakes_the_other(pair: Pair) -> None:
    waiting = threading.Thread(target=pair[0].close)
    waiting.start()
    with pytest.raises(PeerGoneError):
        pair[1].receive()
    waiting.join()
    with pytest.raises(PeerGoneError):
        pair[1].send_note(1, "nobody there")


def test_whether_the_last_message_was_read_is_known(pair: Pair) -> None:
    for read in (True, False):
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with one, other:
            mine, theirs = Channel(one), Channel(other)
            mine.send_note(1, "do it")
            if read:
                theirs.receive()
            theirs.close()
            with pytest.raises(PeerGoneError) as caught:
                mine.receive()
            assert caught.value.unread is not read


def test_data_of_the_wrong_size_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="bytes of tensors"):
        pair[0].put([(of_size(10), [bytes(80)]), (of_size(64), [bytes(64)])])


def test_memory_that_could_shrink_under_us_is_refused() -> None:
    fd = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 4096)
    with pytest.raises(ValueError, match="not sealed"):
        slab.attach(fd)
    memory, fd = slab.create(4096)
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 0)
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    os.close(fd)
    assert memory.write(b"still there") == 11


def test_shared_memory_has_no_name() -> None:
    """What has a name can be opened by whoever learns it: CVE-2025-23320."""
    _, fd = slab.create(4096)
    assert str(Path(f"/proc/self/fd/{fd}").readlink()) == "/memfd:trtserve (deleted)"
    os.close(fd)
