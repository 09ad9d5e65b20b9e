"""Folders as Triton lists them."""

from __future__ import annotations

from pathlib import Path

from trtbuild.repository.directory import Directory


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
