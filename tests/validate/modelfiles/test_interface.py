"""Which files are read, and by what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.modelfiles_made import make
from trtbuild.registry import load
from trtbuild.validate.modelfiles.interface import READERS, read_interface


def test_the_table_names_functions() -> None:
    assert all(callable(load(reference)) for reference in READERS.values())


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for name in ("first", "another"):
        path.write_bytes(make(f"{name}:fp32[4] -> y:fp32[4]"))
        interface = read_interface("onnxruntime", path)
        assert interface is not None
        assert interface.inputs[0].name == name


def test_other_backends_tell_nothing_and_absent_files_raise(tmp_path: Path) -> None:
    assert read_interface("dali", tmp_path) is None
    with pytest.raises(FileNotFoundError):
        read_interface("onnxruntime", tmp_path / "absent")
