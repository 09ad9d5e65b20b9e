"""Folders and the versions in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.modelconfig.schema import new_config
from trtbuild.validate.directory import (
    Directory,
    leading_number,
    overflows,
    selected_versions,
    version_from_name,
)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1), ("0", 0), ("01", None), ("00", None), ("-1", -1), ("+1", 1), (" 7", 7),
        ("1abc", 1), ("1.0", 1), ("abc", None), ("", None), ("warmup", None), ("configs", None),
        ("initial_state", None), (".x", None), ("- 1", None), ("٣", None),
    ],
)  # fmt: skip
def test_a_name_is_read_as_c_reads_numbers(name: str, version: int | None) -> None:
    assert version_from_name(name) == version


def test_leading_numbers_and_overflow() -> None:
    assert leading_number("3x") == 3
    assert leading_number("x") is None
    assert overflows(2**63)
    assert not overflows(2**63 - 1)


@pytest.mark.parametrize(
    ("policy", "selected"),
    [
        (None, {9}),
        ({}, {9}),
        ({"latest": {"num_versions": 2}}, {3, 9}),
        ({"latest": {}}, set()),
        ({"all": {}}, {1, 3, 9}),
        ({"specific": {"versions": [1, 4]}}, {1}),
    ],
)
def test_the_policy_selects(policy: dict[str, object] | None, selected: set[int]) -> None:
    config = new_config() if policy is None else new_config(version_policy=policy)
    assert selected_versions(config, {1, 3, 9}) == selected


def test_lists_what_it_can(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    listed = Directory(tmp_path)
    assert (listed.folders, listed.files, sorted(listed.others)) == (
        ["1"],
        ["file"],
        ["broken", "loop"],
    )
    assert listed.versions == {"1": 1}
    assert Directory(tmp_path / "absent").problem == "No such file or directory"
