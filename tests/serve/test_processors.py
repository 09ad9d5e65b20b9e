"""How many processors and cores a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trtserve.processors import cores, processors


@pytest.mark.parametrize(
    ("text", "limit"),
    [("150000 100000", 1.5), ("max 100000", 1e9), ("", 1e9), ("a b c", 1e9), ("1 0", 1e9)],
)
def test_a_quota_counts(tmp_path: Path, text: str, limit: float) -> None:
    (tmp_path / "cpu.max").write_text(text)
    unlimited = processors(tmp_path / "absent")
    assert unlimited >= 1
    assert processors(tmp_path / "cpu.max") == min(unlimited, limit)


@pytest.mark.parametrize(
    ("siblings", "quota", "expected"),
    [
        ({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, "max 100000", 2),
        ({0: "0", 1: "1", 2: "2", 3: "3"}, "max 100000", 4),
        ({0: "0", 1: "1", 2: "2", 3: "3"}, "250000 100000", 2),
        ({0: "0", 1: "1"}, "50000 100000", 1),
        ({}, "max 100000", 4),  # a system that does not say
    ],
)
def test_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, siblings: dict[int, str], quota: str,
    expected: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(siblings or range(4)))
    for number, text in siblings.items():
        topology = tmp_path / f"cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(text)
    (tmp_path / "cpu.max").write_text(quota)
    assert cores(tmp_path, tmp_path / "cpu.max") == expected


def test_where_the_system_does_not_say_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == 0
