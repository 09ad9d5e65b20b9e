"""Reading what may be no file, or a huge one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trtbuild.validate.bounded import content_of


def test_a_file_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert content_of(path, 5) == b"12345"
    assert content_of(path, 4) is None


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        assert content_of(path, 5) is None
    with pytest.raises(FileNotFoundError):
        content_of(tmp_path / "absent", 5)
