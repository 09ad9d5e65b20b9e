"""Archives that say untrue things of themselves."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from trtbuild.validate.modelfiles.archive import opened
from trtbuild.validate.modelfiles.interface import DamagedFileError


def written(path: Path, *, comment: bytes = b"", names: int = 1) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(names):
            archive.writestr(f"a{number}", b"content")
        archive.comment = comment
    path.write_bytes(made.getvalue())
    return made.getvalue()


@pytest.mark.parametrize("comment", [b"", b"x" * 65_535])
def test_good_ones_open(tmp_path: Path, comment: bytes) -> None:
    written(tmp_path / "a", comment=comment)
    with opened(tmp_path / "a", "archive") as archive:
        assert archive.read("a0") == b"content"


def test_too_many_files_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbuild.validate.modelfiles.archive._MAX_DIRECTORY_BYTES", 1000)
    written(tmp_path / "a", names=10)
    with opened(tmp_path / "a", "archive") as archive:
        assert len(archive.namelist()) == 10
    written(tmp_path / "a", names=30)
    with (
        pytest.raises(DamagedFileError, match="it lists too many files"),
        opened(tmp_path / "a", "archive"),
    ):
        pass


def test_wrong_checksums_are_damage(tmp_path: Path) -> None:
    whole = written(tmp_path / "a")
    (tmp_path / "a").write_bytes(whole.replace(b"content", b"contant"))
    with (
        pytest.raises(DamagedFileError, match="it is no archive or was cut off"),
        opened(tmp_path / "a", "archive") as archive,
    ):
        archive.read("a0")


def test_every_length_of_a_cut_off_file_is_damage(tmp_path: Path) -> None:
    whole = written(tmp_path / "a")
    for size in range(len(whole)):
        (tmp_path / "a").write_bytes(whole[:size])
        with pytest.raises(DamagedFileError), opened(tmp_path / "a", "archive"):
            pass
