"""A cache that somebody else can write to is not believed, and one that fails stops nobody."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository.places import mounted
from tests.test_store import plan
from trtbuild.artifacts import Plan
from trtbuild.errors import StoreError
from trtbuild.store import Store

OURS, THEIRS = b"ours", b"evil"
ENTRY, FILE = "entry.json", "model.plan"


def replaced(entry: Path, content: bytes = THEIRS) -> None:
    """Plan and digests replaced together: nothing in the entry contradicts itself."""
    record = json.loads((entry / ENTRY).read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    record["files"][FILE] = record["value"]["digest"] = digest
    (entry / FILE).write_bytes(content)
    (entry / ENTRY).write_text(json.dumps(record))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """With an entry that was made, and then replaced by somebody."""
    made, _ = Store(tmp_path / "cache").cached("plan", "k", Plan, plan(OURS))
    replaced(made.directory)
    return tmp_path / "cache"


def test_the_attack_works_on_a_cache_that_is_believed(cache: Path) -> None:
    """Digests do not help: whose the folder is decides."""
    found, hit = Store(cache).cached("plan", "k", Plan, plan(OURS))
    assert (hit, found.path.read_bytes()) == (True, THEIRS)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_cache_that_others_may_write_to_is_neither_read_nor_written(
    cache: Path, tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    cache.chmod(mode)
    before = sorted(cache.rglob("*"))
    with caplog.at_level(logging.WARNING, "trtbuild"):
        store = Store(cache, spare=tmp_path / "spare")
        for key in ("k", "k", "other"):
            found, _ = store.cached("plan", key, Plan, plan(OURS))
            assert found.path.read_bytes() == OURS
            assert found.path.is_relative_to(tmp_path / "spare")
        assert store.folder() == tmp_path / "spare"
    (said,) = caplog.records  # once
    assert f"the cache '{cache}' is not used: others may write there" in said.getMessage()
    assert "chmod -R go-w" in said.getMessage()
    assert sorted(cache.rglob("*")) == before
    with pytest.raises(StoreError, match="others may write there"):
        Store(cache).cached("plan", "k", Plan, plan(OURS))


@pytest.mark.parametrize("inside", ["plan", "plan/k", f"plan/k/{FILE}", f"plan/k/{ENTRY}"])
def test_a_part_that_others_may_write_to_is_made_anew(cache: Path, inside: str) -> None:
    (cache / inside).chmod(0o777)
    found, hit = Store(cache).cached("plan", "k", Plan, plan(OURS))
    assert (hit, found.path.read_bytes()) == (False, OURS)
    assert Store(cache).cached("plan", "k", Plan, plan(OURS))[1]  # it is believed from now on


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize("inside", ["plan", "plan/k", f"plan/k/{FILE}", f"plan/k/{ENTRY}"])
def test_a_part_that_belongs_to_another_is_made_anew(cache: Path, inside: str) -> None:
    os.chown(cache / inside, 12345, 12345)
    found, hit = Store(cache).cached("plan", "k", Plan, plan(OURS))
    assert (hit, found.path.read_bytes()) == (False, OURS)


UNUSABLE: dict[str, Callable[[Path], Path]] = {
    "it is a file": lambda folder: file(folder / "cache"),
    "it lies below a file": lambda folder: file(folder / "file") / "cache",
    "nothing can be made there": lambda _: Path("/proc/self/cache"),
    "its kind is a file": lambda folder: file(folder / "cache/plan").parent,
    "its entry is a file": lambda folder: file(folder / "cache/plan/k").parent.parent,
    "its entry is a link": lambda folder: link(folder / "cache/plan/k").parent.parent,
}


def file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    return path


def link(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.parent)
    return path


@pytest.mark.parametrize("what", UNUSABLE)
def test_what_cannot_be_used_is_gone_without(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(UNUSABLE[what](tmp_path), spare=tmp_path / "spare")
    for key in ("k", None, "other"):
        found, _ = store.cached("plan", key, Plan, plan(OURS))
        assert found.path.read_bytes() == OURS
    assert store.cached("plan", "k", Plan, plan(OURS))[1]
    assert [record.getMessage().count("is not used") for record in caplog.records] == [1]


@pytest.mark.parametrize("options", ["ro", "size=4k,nr_inodes=4"])
def test_a_cache_that_is_full_or_read_only_is_gone_without(tmp_path: Path, options: str) -> None:
    (tmp_path / "cache").mkdir()
    with mounted(tmp_path / "cache", options):
        (tmp_path / "cache").stat()
        if options != "ro":
            (tmp_path / "cache").chmod(0o700)
        store = Store(tmp_path / "cache", spare=tmp_path / "spare")
        found, _ = store.cached("plan", "k", Plan, plan(bytes(10_000)))
        assert found.path.stat().st_size == 10_000
        assert found.path.is_relative_to(tmp_path / "spare")


def test_a_user_without_a_home_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trtbuild.store.default_root", lambda: None)
    store = Store(spare=tmp_path)
    assert store.cached("plan", "k", Plan, plan(OURS))[0].path.read_bytes() == OURS
    (said,) = caplog.records
    assert "there is no home folder" in said.getMessage()
    with pytest.raises(StoreError, match="no home folder"):
        Store().folder()


def test_nothing_can_be_written_at_all(tmp_path: Path) -> None:
    store = Store(file(tmp_path / "cache"), spare=file(tmp_path / "spare"))
    with pytest.raises(StoreError, match="spare"):
        store.cached("plan", "k", Plan, plan(OURS))
