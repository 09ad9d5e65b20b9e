"""Entries that name or are something else, and what workers leave: hostile ones of every kind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.test_store import plan
from trtbuild.artifacts import Plan
from trtbuild.errors import StoreError
from trtbuild.store import Store

OURS = b"ours"
ENTRY, FILE = "entry.json", "model.plan"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """With one entry."""
    Store(tmp_path / "cache").cached("plan", "k", Plan, plan(OURS))
    return tmp_path / "cache"


def rewritten(entry: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((entry / ENTRY).read_bytes())
    change(record)
    (entry / ENTRY).write_text(json.dumps(record))


def swapped(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def of_value(**fields: str) -> Callable[[Path], object]:
    return lambda entry: rewritten(entry, lambda record: record["value"].update(fields))


def of_files(**files: str) -> Callable[[Path], object]:
    return lambda entry: rewritten(entry, lambda record: record["files"].update(files))


def aside(path: Path, target: str) -> None:
    path.rename(path.with_name(target))
    path.symlink_to(target)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "its files name one outside": of_files(**{"../../../secret": hashlib.sha256(b"s").hexdigest()}),
    "its files name an absolute one": of_files(**{"/etc/hostname": "0" * 64}),
    "its value names one outside": of_value(file="../../../secret"),
    "its value names one that is not in it": of_value(file="other.plan"),
    "its layers lie outside": of_value(layers_file="../../../secret"),
    "its value has another digest": of_value(digest="0" * 64),
    "its file is a link out": lambda entry: swapped(
        entry / FILE, lambda path: path.symlink_to(path.parents[3] / "copy")
    ),
    "its file is a fifo": lambda entry: swapped(entry / FILE, os.mkfifo),
    "its record is a link": lambda entry: aside(entry / ENTRY, "x"),
    "its record is a fifo": lambda entry: swapped(entry / ENTRY, os.mkfifo),
    "its record is a terabyte": lambda entry: os.truncate(entry / ENTRY, 1 << 40),
    "its record is nested": lambda entry: (entry / ENTRY).write_text("[" * 100_000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_entry_that_names_or_is_something_else_is_made_anew(
    cache: Path, tmp_path: Path, what: str
) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    shutil.copy(cache / "plan/k" / FILE, tmp_path / "copy")
    HOSTILE[what](cache / "plan/k")
    found, hit = Store(cache).cached("plan", "k", Plan, plan(OURS))
    assert (hit, found.path.read_bytes()) == (False, OURS)
    assert (tmp_path / "secret").read_bytes() == b"s"


LEFT: dict[str, Callable[[Path], object]] = {
    "a link out": lambda path: path.symlink_to("/etc/hostname"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link within": lambda path: path.symlink_to(FILE),
    "a fifo": os.mkfifo,
    "a folder": Path.mkdir,
    "a device's link": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("name", ["other", ENTRY])
@pytest.mark.parametrize("what", LEFT)
def test_what_a_worker_leaves_are_plain_files(tmp_path: Path, what: str, name: str) -> None:
    """It may have run a model of somebody else's, and a link would be copied for what it is to."""

    def make(directory: Path) -> Plan:
        made: Plan = plan(OURS)(directory)
        LEFT[what](directory / name)
        return made

    with pytest.raises(StoreError, match="no plain file"):
        Store(tmp_path / "cache", spare=tmp_path / "spare").cached("plan", "k", Plan, make)
    assert Store(tmp_path / "cache").entries() == []


@pytest.mark.parametrize("name", ["../../../../etc/hostname", "/etc/hostname", "other", ""])
def test_what_a_worker_says_names_its_own_files(tmp_path: Path, name: str) -> None:
    def make(directory: Path) -> Plan:
        made: Plan = plan(OURS)(directory)
        return replace(made, file=name)

    with pytest.raises(StoreError, match="names files that are not in its entry"):
        Store(tmp_path).cached("plan", "k", Plan, make)
