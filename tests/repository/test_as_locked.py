"""`--require-lock`: whatever differs from the lock by one byte or one name is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.repository.content import content
from trtbuild.foreign import ANYWHERE
from trtbuild.repository.as_locked import departures
from trtbuild.repository.lock import Lock, lock_text, read_lock
from trtbuild.repository.write import write_version

PLAN = "1/model.sm86.plan"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two versions with labels, as trtbuild wrote them."""
    (tmp_path / "labels.txt").write_text("cat\n")
    for data in (b"one!", b"two!"):
        made = content(tmp_path / "made", data=data)
        labelled = made._replace(model_files={"labels.txt": tmp_path / "labels.txt"})
        write_version(tmp_path / "repo", labelled)
    return tmp_path / "repo/net"


def told(model: Path) -> list[str]:
    return list(departures(model, (1, 2)))


def test_what_was_written_is_as_locked(model: Path) -> None:
    assert told(model) == []
    assert read(model).model_files["labels.txt"].size_bytes == 4


def test_what_is_left_when_a_version_is_replaced_stays_locked(model: Path, tmp_path: Path) -> None:
    shutil.rmtree(model / "2")
    write_version(tmp_path / "repo", content(tmp_path / "made"), "replace", 1)
    assert (model / "labels.txt").exists()
    assert list(departures(model, (1,))) == []


def read(model: Path) -> Lock:
    lock = read_lock(model / "1")
    assert lock is not None
    return lock


def relocked(model: Path, **changes: object) -> None:
    (model / "1/trtbuild.lock.json").write_bytes(
        lock_text(msgspec.structs.replace(read(model), **changes))
    )


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def added(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def behind_a_link(path: Path, target: str) -> None:
    path.rename(path.parent / target)
    path.symlink_to(target)


LOCK = "1/trtbuild.lock.json"
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights are zeroed": (lambda m: zeroed(m / "1/model.onnx"), "its digest differs"),
    "a plan is another version's": (
        lambda m: shutil.copy(m / "2/model.sm86.plan", m / PLAN), "its digest differs"),
    "plans are swapped": (lambda m: swap(m / PLAN, m / "1/model.onnx"), "its digest differs"),
    "versions are swapped": (lambda m: swap(m / "1", m / "2"), "has the lock of 'net' version 2"),
    "a byte is added": (lambda m: (m / PLAN).write_bytes(b"one!!"), "its digest differs"),
    "a file is cut off": (lambda m: os.truncate(m / PLAN, 3), "its digest differs"),
    "a file is gone": (lambda m: (m / PLAN).unlink(), "is not there"),
    "a file is added": (lambda m: added(m / "1/model.py"), "is not in the lock"),
    "a hidden file is added": (lambda m: added(m / "1/.x"), "is not in the lock"),
    "a file is added in a folder": (lambda m: added(m / "1/a/b/c"), "1/a/b/c is not in the lock"),
    "a link to a folder is added": (
        lambda m: (m / "1/a").symlink_to("/etc"), "1/a is not in the lock"),
    "a file is a link to one beside": (
        lambda m: behind_a_link(m / PLAN, "x"), "1/x is not in the lock"),
    "a file is a link out": (
        lambda m: behind_a_link(m / PLAN, "../../x"), "is a link that leads out"),
    "a file is a fifo": (lambda m: replaced(m / PLAN, os.mkfifo), "cannot be read"),
    "a file is a folder": (lambda m: replaced(m / PLAN, Path.mkdir), "cannot be read"),
    "the lock is gone": (lambda m: (m / LOCK).unlink(), "has no trtbuild.lock"),
    "the lock is damaged": (lambda m: (m / LOCK).write_text("{"), "is damaged"),
    "the lock is a link out": (lambda m: behind_a_link(m / LOCK, "../../x"), "leads out"),
    "the lock is another model's": (lambda m: relocked(m, name="other"), "lock of 'other'"),
    "the lock names a file outside": (
        lambda m: relocked(m, files={"../../x": read(m).files["model.onnx"]}), "not believed"),
    "the config is edited": (
        lambda m: (m / "config.pbtxt").write_text('name: "net"'), "its digest differs"),
    "the config is gone": (lambda m: (m / "config.pbtxt").unlink(), "is not there"),
    "labels are edited": (lambda m: (m / "labels.txt").write_text("dog\n"), "its digest differs"),
    "another config is added": (
        lambda m: added(m / "configs/x.pbtxt"), "configs/x.pbtxt is in no lock"),
    "warm-up data is added": (lambda m: added(m / "warmup/x"), "is in no lock"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_differs_is_told(model: Path, what: str) -> None:
    change, says = CHANGES[what]
    change(model)
    found = told(model)
    assert any(says in each for each in found), found


def test_a_version_that_is_not_served_is_not_asked_for(model: Path) -> None:
    (model / "1/trtbuild.lock.json").unlink()
    assert list(departures(model, (2,))) == []
    (model / "3").mkdir()
    assert list(departures(model, (2,))) == []
    assert next(iter(departures(model, (3,)))) == "3/ has no trtbuild.lock.json"


def test_a_store_of_links_is_as_locked_where_links_are_followed(model: Path) -> None:
    (model / PLAN).rename(model.parent / "stored")
    (model / PLAN).symlink_to("../../stored")
    assert list(departures(model, (1, 2), ANYWHERE)) == []
