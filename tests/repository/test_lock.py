from pathlib import Path

import pytest

from tests.repository.content import content
from trtbuild.errors import RepositoryError
from trtbuild.repository.lock import lock_text, read_lock


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
    with pytest.raises(RepositoryError, match="Is a directory"):
        read_lock(tmp_path)
