import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.repository.content import content
from trtbuild.errors import RepositoryError
from trtbuild.plugins import UsedPlugin
from trtbuild.repository.lock import Lock, LockedFile, LockNameError, lock_text, read_lock


def test_what_is_written_is_read(tmp_path: Path) -> None:
    lock = content(tmp_path / "c", ["8.0", "12.0"], failed=["7.5"]).lock
    (tmp_path / "trtbuild.lock.json").write_bytes(lock_text(lock))
    assert read_lock(tmp_path) == lock
    assert lock_text(lock).startswith(b'{\n  "trtbuild": "0",\n')


def test_no_lock_is_no_error(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b'{"format": "x"}']
)
def test_a_damaged_lock_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "trtbuild.lock.json").write_bytes(data)
    with pytest.raises(RepositoryError) as caught:
        read_lock(tmp_path)
    assert f"'{tmp_path}/trtbuild.lock.json' is damaged" in caught.value.message


def test_a_lock_of_a_newer_trtbuild_says_to_update(tmp_path: Path) -> None:
    (tmp_path / "trtbuild.lock.json").write_bytes(b'{"format": 99, "new": true}')
    with pytest.raises(RepositoryError) as caught:
        read_lock(tmp_path)
    assert caught.value.message == (
        f"'{tmp_path}/trtbuild.lock.json' has format 99; this trtbuild reads up to 1"
    )


def test_a_lock_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "trtbuild.lock.json").mkdir()
    with pytest.raises(RepositoryError, match="it is a folder"):
        read_lock(tmp_path)


HOSTILE = ["../../../.bashrc", "/etc/passwd", "..", "", "a/b", "./model.plan", "x\0", "x" * 300]
# Each name that a lock has in it.
NAMED: dict[str, Callable[[Lock, str], Lock]] = {
    "a plan": lambda lock, name: replace(lock, plans=(replace(lock.plans[0], file=name),)),
    "a file": lambda lock, name: replace(lock, files={name: LockedFile("d", 1)}),
    "a file of the model": lambda lock, name: replace(lock, model_files={name: LockedFile("d", 1)}),
    "an ONNX file": lambda lock, name: replace(lock, onnx=replace(lock.onnx, files=(name,))),
    "the model": lambda lock, name: replace(lock, name=name),
    "a plugin": lambda lock, name: replace(
        lock, plans=(replace(lock.plans[0], plugins=(UsedPlugin(name, "d", "import", ()),)),)
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("named", NAMED)
def test_a_lock_that_names_anything_but_plain_files_is_not_believed(
    tmp_path: Path, named: str, name: str
) -> None:
    lock = NAMED[named](content(tmp_path / "c").lock, name)
    (tmp_path / "trtbuild.lock.json").write_bytes(lock_text(lock))
    with pytest.raises(LockNameError, match="is not believed"):
        read_lock(tmp_path)


@pytest.mark.parametrize("made", [
    os.mkfifo,
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("../lock"),
    lambda path: path.symlink_to(path),
    lambda path: path.write_bytes(bytes(17 << 20)),
], ids=["fifo", "device", "link out", "circle", "huge"])  # fmt: skip
def test_what_is_no_plain_file_of_a_size_is_not_read(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    (tmp_path / "lock").write_bytes(lock_text(content(tmp_path / "c").lock))
    version = tmp_path / "version"
    version.mkdir()
    made(version / "trtbuild.lock.json")
    with pytest.raises(RepositoryError):
        read_lock(version)
