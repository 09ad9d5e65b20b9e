"""Who works with a folder, and who may take it away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from trtbuild.folder_lock import alone, shared


def test_one_who_works_with_it_keeps_it(tmp_path: Path) -> None:
    one, other = shared(tmp_path), shared(tmp_path)
    assert one is not None
    assert other is not None
    with alone(tmp_path) as is_alone:
        assert not is_alone
    os.close(one)
    with alone(tmp_path) as is_alone:
        assert not is_alone
    os.close(other)
    with alone(tmp_path) as is_alone:
        assert is_alone
        assert shared(tmp_path) is None
    last = shared(tmp_path)
    assert last is not None
    os.close(last)


def test_what_is_no_folder_is_held_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path / "file", tmp_path / "link", tmp_path / "absent"):
        assert shared(path) is None
        with alone(path) as is_alone:
            assert not is_alone


def test_one_that_was_moved_away_is_not_the_one_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    held = shared(folder)
    assert held is not None
    folder.rename(tmp_path / "aside")
    with alone(folder) as is_alone:
        assert not is_alone
    folder.mkdir()
    with alone(folder) as is_alone:
        assert is_alone
    with alone(tmp_path / "aside") as is_alone:
        assert not is_alone
    os.close(held)


def test_it_ends_with_the_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trtbuild.folder_lock import shared\n"
        "assert shared(Path(sys.argv[1])) is not None; print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with alone(tmp_path) as is_alone:
            assert not is_alone
        process.kill()
    with alone(tmp_path) as is_alone:
        assert is_alone
