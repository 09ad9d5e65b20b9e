import zipfile
from pathlib import Path

import pytest

from trtbuild.errors import SourceError
from trtbuild.sources.archives import check_unpacked


def archive(path: Path, size: int, packing: int) -> Path:
    with zipfile.ZipFile(path, "w", packing) as made, made.open("config.json", "w") as member:
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize("size", [1 << 20, 200 << 20])
def test_what_is_small_may_be_packed_as_it_likes(tmp_path: Path, size: int) -> None:
    check_unpacked(archive(tmp_path / "x.keras", size, zipfile.ZIP_DEFLATED), "it")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", 260 << 20, zipfile.ZIP_DEFLATED)
    with pytest.raises(SourceError, match=r"it is not unpacked: its 'config\.json' has"):
        check_unpacked(path, "it")


def test_what_is_stored_may_be_large(tmp_path: Path) -> None:
    check_unpacked(archive(tmp_path / "x.keras", 260 << 20, zipfile.ZIP_STORED), "it")


def test_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.keras"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(SourceError, match="it is damaged"):
        check_unpacked(path, "it")
