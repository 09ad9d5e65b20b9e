"""Locks as rules read them."""

from __future__ import annotations

from pathlib import Path

from tests.validate.files import files_of, write
from trtbuild.errors import RepositoryError
from trtbuild.repository.directory import Directory
from trtbuild.validate.locks import lock_of, read


def test_good_damaged_and_absent_locks(tmp_path: Path) -> None:
    text = (
        "-- good/trtbuild.lock.json = lock of a=b --\n-- bad/trtbuild.lock.json --\n{\n-- no/x --\n"
    )
    write(tmp_path, files_of(text))
    lock = lock_of(Directory(tmp_path / "good"))
    assert lock is not None
    assert list(lock.files) == ["a"]
    assert lock_of(Directory(tmp_path / "bad")) is None
    assert isinstance(read(tmp_path / "bad"), RepositoryError)
    assert lock_of(Directory(tmp_path / "no")) is None
