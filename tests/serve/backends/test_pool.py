"""Blocks come back when the last view of them is gone."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from trtserve.backends.pool import Pool

from trtbuild.errors import CudaError


class Memory:
    """Ordinary memory in place of pinned memory."""

    freed = 0

    def __init__(self, size_bytes: int) -> None:
        self.array = np.zeros(size_bytes, np.uint8)

    def free(self) -> None:
        type(self).freed += 1


@pytest.fixture
def pool() -> Pool:
    Memory.freed = 0
    return Pool(Memory, max_bytes=1 << 20)


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def test_a_block_is_used_again_and_not_while_anything_refers_to_it(pool: Pool) -> None:
    first = pool.take(100_000)
    assert (first.shape, str(first.dtype)) == ((100_000,), "uint8")
    assert first.flags.writeable
    where = address(first)
    part = memoryview(first.view(np.float32).reshape(-1, 5)[3:].data)
    del first
    gc.collect()
    second = pool.take(100_000)
    assert address(second) != where
    del part
    assert address(pool.take(120_000)) == where
    assert pool.allocated_bytes == 2 * 131_072


def test_sizes_are_kept_apart(pool: Pool) -> None:
    small, large = pool.take(10), pool.take(300_000)
    places = {address(small), address(large)}
    del small, large
    assert {address(pool.take(524_288)), address(pool.take(0))} == places
    assert pool.allocated_bytes == 65_536 + 524_288


def test_beyond_its_limit_memory_is_ordinary(pool: Pool) -> None:
    held = [pool.take(500_000) for _ in range(2)]
    assert pool.allocated_bytes == 1 << 20
    more = pool.take(500_000)
    assert len(more) == 500_000
    assert pool.allocated_bytes == 1 << 20
    assert len({address(each) for each in (*held, more)}) == 3


@pytest.mark.parametrize("error", [CudaError("cuMemHostAlloc answered 2"), MemoryError()])
def test_where_allocation_fails_too(error: Exception) -> None:
    def allocate(_: int) -> Memory:
        raise error

    pool = Pool(allocate, max_bytes=1 << 20)
    assert len(pool.take(70_000)) == 70_000
    assert pool.allocated_bytes == 0


def test_what_was_taken_outlives_the_pool(pool: Pool) -> None:
    free, held = pool.take(10), pool.take(10)
    del free
    pool.close()
    assert Memory.freed == 1
    held[:] = 7
    assert held.sum() == 70
    del held
    assert Memory.freed == 2


def test_a_block_that_comes_back_while_another_is_taken() -> None:
    held: list[np.ndarray] = []

    def allocate(size_bytes: int) -> Memory:
        held.clear()
        return Memory(size_bytes)

    pool = Pool(allocate, max_bytes=1 << 20)
    held.append(pool.take(10))

    class Sizes(dict[int, list[Memory]]):
        def __getitem__(self, size: int) -> list[Memory]:
            held.clear()
            return self.setdefault(size, [])

    pool._free = Sizes()  # type: ignore[assignment]  # gives a block back within the lock
    assert len(pool.take(200_000)) == 200_000
    assert pool.allocated_bytes == 65_536 + 262_144


def test_many_threads() -> None:
    pool = Pool(Memory, max_bytes=1 << 30)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            mine = pool.take(66_000)
            mine[:] = number
            if (mine != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    # A thread takes its next block before it lets go of the last.
    assert pool.allocated_bytes <= 2 * 8 * 131_072
