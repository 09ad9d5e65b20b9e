"""Where temporary files lie when no usual folder can be written."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.models import linear
from trtbuild.temporary import can_write, choose, usual

# Everything that Python tries is read-only, in a view of the file systems of its own; $1 is not.
_READ_ONLY = """
set -e
mount --bind "$1" "$1"
for folder in /tmp /var/tmp /usr/tmp; do
    [ -d "$folder" ] || continue
    mount --rbind "$folder" "$folder"
    mount -o remount,ro,bind "$folder"
done
cd /proc; shift; exec "$@"
"""


def nowhere_to_write(but: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`command` where `but` alone can be written of what it might use; its cache cannot."""
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("a view of the file systems of its own needs root")
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path)),
        "TRTBUILD_CACHE_DIR": "/proc/self/cache", "HOME": "/proc/self/home",
    }  # fmt: skip
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", _READ_ONLY, "sh", str(but), *command],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip


def test_a_usual_folder_is_taken_where_one_can_be_written(tmp_path: Path) -> None:
    assert usual() == choose(tmp_path) == Path(tempfile.gettempdir())


def test_what_can_be_written(tmp_path: Path) -> None:
    assert can_write(tmp_path)
    for path in (tmp_path / "absent", Path("/proc/self"), Path("/dev/null")):
        assert not can_write(path)


def test_another_folder_is_taken_where_none_can(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = (
        "import sys, tempfile; from pathlib import Path; from trtbuild.temporary import *\n"
        "assert usual() is None\n"
        "print(choose(None, Path('/proc/x'), Path(sys.argv[1], 'a/b')), tempfile.gettempdir())\n"
    )
    done = nowhere_to_write(place, sys.executable, "-c", code, str(place))
    assert done.stdout == f"{place} {place}\n", done.stderr
    assert f"temporary files can be written: '{place}' is used" in done.stderr
    done = nowhere_to_write(place, sys.executable, "-c", code, "/proc")
    assert "StoreError: no folder for temporary files can be written" in done.stderr


def test_a_conversion_needs_neither_cache_nor_home_nor_temporary_folder(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    model = linear(place / "m.onnx")
    command = [sys.executable, "-m", "trtbuild"]
    made = [*command, "convert", str(model), "--repo", str(place / "repo"), "--target", "8.6"]
    done = nowhere_to_write(place, *made)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the cache '/proc/self/cache' is not used") == 1
    assert done.stderr.count("no usual folder for temporary files") == 1
    assert sorted(path.name for path in place.iterdir()) == ["m.onnx", "repo"]
    done = nowhere_to_write(place, *command, "check", str(model), "--target", "8.6")
    assert done.returncode == 1
    assert "error: no folder for temporary files can be written" in done.stderr
    said = nowhere_to_write(place, *command, "doctor").stdout
    assert "cache /proc/self/cache, not used: " in said
    assert "temporary files in no folder: none can be written" in said
