import hashlib
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from trtbuild.artifacts import Plan, Stage
from trtbuild.capability import Capability
from trtbuild.errors import StoreError
from trtbuild.store import Store, key_of


def plan(content: bytes, calls: list[bytes] | None = None):  # type: ignore[no-untyped-def]
    def make(directory: Path) -> Plan:
        if calls is not None:
            calls.append(content)
        (directory / "model.plan").write_bytes(content)
        target = (Capability(8, 6),)
        digest = hashlib.sha256(content).hexdigest()
        return Plan(directory, "model.plan", digest, len(content), target, "tensorrt-rtx", "1", 0.5)

    return make


def test_the_same_key_is_made_once(tmp_path: Path) -> None:
    store, calls = Store(tmp_path), list[bytes]()
    first, hit = store.cached("plans", "k", Plan, plan(b"one", calls))
    assert not hit
    again, hit = store.cached("plans", "k", Plan, plan(b"two", calls))
    assert hit
    assert again == first
    assert calls == [b"one"]
    assert again.path.read_bytes() == b"one"
    assert again.path.is_relative_to(tmp_path)


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, _ = store.cached("plans", "k", Plan, plan(b"one"))
    first.path.write_bytes(b"on3")
    again, hit = store.cached("plans", "k", Plan, plan(b"one"))
    assert not hit
    assert again.path.read_bytes() == b"one"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"value": 3, "files": {}}'])
def test_a_damaged_record_is_made_again(tmp_path: Path, damage: bytes) -> None:
    store = Store(tmp_path)
    first, _ = store.cached("plans", "k", Plan, plan(b"one"))
    (first.directory / "entry.json").write_bytes(damage)
    assert store.cached("plans", "k", Plan, plan(b"one"))[1] is False


def test_without_a_key_it_is_always_made_and_lies_under_its_content(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, hit = store.cached("onnx", None, Plan, plan(b"one"))
    assert not hit
    same, hit = store.cached("onnx", None, Plan, plan(b"one"))
    assert not hit
    other, _ = store.cached("onnx", None, Plan, plan(b"two"))
    assert same.directory == first.directory != other.directory


def test_a_failed_make_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> Plan:
        (directory / "half").write_bytes(b"x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Store(tmp_path).cached("plans", "k", Plan, fail)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert Store(tmp_path).entries() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "file").cached("plans", "k", Plan, plan(b"one"))
    assert caught.value.message.endswith("file' cannot be used: it is no folder")
    assert caught.value.hint == "name another one with TRTBUILD_CACHE_DIR"


def _put(root: Path) -> None:
    Store(root).cached("plans", "k", Plan, plan(b"x" * 100_000))


def test_processes_race_for_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert [entry.key for entry in Store(tmp_path).entries()] == ["k"]


def test_prune_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for age, key in enumerate(["new", "old", "older"]):
        value, _ = store.cached("plans", key, Plan, plan(bytes(1000)))
        then = time.time() - age * 86400 * 10
        os.utime(value.directory, (then, then))
    assert [entry.key for entry in store.entries()] == ["older", "old", "new"]
    assert [entry.key for entry in store.prune(keep_days=15)] == ["older"]
    assert [entry.key for entry in store.prune(keep_bytes=2000)] == ["old"]
    assert [entry.key for entry in store.prune(keep_bytes=0)] == ["new"]
    assert store.entries() == []


def test_a_hit_counts_as_use(tmp_path: Path) -> None:
    store = Store(tmp_path)
    value, _ = store.cached("plans", "k", Plan, plan(b"one"))
    os.utime(value.directory, (1, 1))
    store.cached("plans", "k", Plan, plan(b"one"))
    assert store.entries()[0].used > time.time() - 60


def test_clear_takes_half_written_entries_along(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.clear() == []
    store.cached("plans", "k", Plan, plan(b"one"))
    (store.root / "partial" / "left-by-a-kill").mkdir(parents=True)
    assert [entry.key for entry in store.clear()] == ["k"]
    assert list(store.root.iterdir()) == []


def test_a_key_does_not_depend_on_the_order_of_a_dict() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_values_without_files_and_without_a_key_are_each_their_own(tmp_path: Path) -> None:
    """The accuracy of code, which no digest names: a second report is not the first one."""
    store = Store(tmp_path)
    for number in (1.0, 2.0):

        def make(_: Path, seconds: float = number) -> Stage:
            return Stage("verify", seconds, cached=False)

        found, known = store.cached("verify", None, Stage, make)
        assert (found.seconds, known) == (number, False)
