"""Mapped files of protobuf messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.protowire import fields
from trtbuild.validate.modelfiles.interface import DamagedFileError
from trtbuild.validate.modelfiles.mapped import mapped


def test_fields_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x08\x05")
    with mapped(tmp_path / "file", "message") as buffer:
        assert [(field.number, field.value) for field in fields(buffer)] == [(1, 5)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\x0a\x09", "it is no message or was cut off")],
)
def test_damage_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with (
        pytest.raises(DamagedFileError, match=message),
        mapped(tmp_path / "file", "message") as buffer,
    ):
        list(fields(buffer))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), mapped(tmp_path / "absent", "message"):
        pass
