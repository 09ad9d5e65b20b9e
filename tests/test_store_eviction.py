"""The store keeps to its size, whoever uses it and however they end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_store import plan
from trtbuild.artifacts import Plan
from trtbuild.store import Store

_BYTES = 100_000


def content(key: str) -> bytes:
    """What belongs to a key: whoever is given anything else sees it."""
    return key.encode() * (_BYTES // len(key))


def put(store: Store, key: str) -> bool:
    """Whether it was there. Asserts that it is what belongs to the key, and stays so."""
    found, hit = store.cached("plan", key, Plan, plan(content(key)))
    assert found.path.read_bytes() == content(key)
    return hit


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """Room for three and a half."""
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "350k")
    return 350_000


def keys(root: Path) -> list[str]:
    return [entry.key for entry in Store(root).entries()]


def size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def older(root: Path, *names: str) -> None:
    """As if each was used before the next, all long ago."""
    for number, name in enumerate(names):
        os.utime(root / "plan" / name, (1000 + number, 1000 + number))


@pytest.mark.usefixtures("limit")
def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    for key in "abc":
        put(Store(tmp_path), key)
    older(tmp_path, "a", "b", "c")
    assert put(Store(tmp_path), "a")  # used now
    put(Store(tmp_path), "d")
    assert sorted(keys(tmp_path)) == ["a", "c", "d"]
    assert not [*(tmp_path / "partial").iterdir()]


@pytest.mark.usefixtures("limit")
def test_what_a_run_works_with_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as run:
        for key in "abcde":
            put(run, key)
        older(tmp_path, *"abcde")
        put(Store(tmp_path), "f")
        assert set(keys(tmp_path)) >= set("abcde")  # more than the limit, as they are needed
        assert not {entry.key for entry in Store(tmp_path).prune(keep_bytes=0)} & set("abcde")
        assert set(keys(tmp_path)) >= set("abcde")
        Store(tmp_path).clear()
        assert set(keys(tmp_path)) >= set("abcde")
    put(Store(tmp_path), "g")
    assert len(keys(tmp_path)) == 3
    Store(tmp_path).clear()
    assert not [*tmp_path.iterdir()]


def test_one_that_is_larger_than_the_limit_is_there_for_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "1")
    with Store(tmp_path) as run:
        put(run, "a")
        put(run, "b")
        assert put(run, "a")
    put(Store(tmp_path), "c")
    assert keys(tmp_path) == ["c"]


def test_without_a_limit_all_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "none")
    for key in "abcdef":
        put(Store(tmp_path), key)
    assert len(keys(tmp_path)) == 6


WORK = """
import sys
from pathlib import Path
from tests.test_store_eviction import put
from trtbuild.store import Store
root, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
import random
choose = random.Random(seed)
print("begun", flush=True)
for number in range(rounds):
    with Store(root) as run:
        held = [choose.choice("abcdefgh") for _ in range(2)]
        for key in held:
            put(run, key)
        for key in held:  # still there, still its own
            assert put(run, key), key
"""


def at_work(root: Path, seed: int, rounds: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORK, str(root), str(seed), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.usefixtures("limit")
def test_processes_that_use_one_store_take_nothing_from_each_other(tmp_path: Path) -> None:
    processes = [at_work(tmp_path, seed, 60) for seed in range(3)]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    put(Store(tmp_path), "z")
    assert size(tmp_path) <= 350_000
    assert not [*(tmp_path / "partial").iterdir()]


def test_a_kill_at_any_moment_leaves_whole_entries(tmp_path: Path, limit: int) -> None:
    """Amid writing, amid dropping: what is there is whole, what is half is nobody's."""
    moments = random.Random(0)
    for number in range(12):
        with at_work(tmp_path, number, 100_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        for key in keys(tmp_path):
            put(Store(tmp_path), key)
    put(Store(tmp_path), "z")
    assert sum(entry.size_bytes for entry in Store(tmp_path).entries()) <= limit
    Store(tmp_path).clear()
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("limit")
def test_what_killed_runs_left_goes_after_an_hour(tmp_path: Path) -> None:
    put(Store(tmp_path), "a")
    left, fresh = (tmp_path / "partial" / name for name in ("left", "fresh"))
    for path in (left, fresh):
        path.mkdir()
        (path / "half").write_bytes(bytes(9))
    os.utime(left, (1000, 1000))
    put(Store(tmp_path), "b")
    assert not left.exists()
    assert fresh.exists()
