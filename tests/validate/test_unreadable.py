"""Files and folders without rights, without content, or gone: findings, no traceback."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.validate.files import MODEL_PY, write
from tests.validate.modelfiles_made import make
from tests.validate.test_bad_input import judged
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import judge, judge_repository
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import targets_of


def without_rights(root: Path) -> tuple[Finding, ...]:
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        return judged(root)
    finally:
        os.seteuid(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.parametrize("unreadable", ["m/config.pbtxt", "m/1/model.onnx", "m", "m/1"])
def test_files_and_folders_without_the_right_to_read(open_folder: Path, unreadable: str) -> None:
    content = {"m/config.pbtxt": b'backend: "onnxruntime"\n', "m/1/model.onnx": b"x"}
    write(open_folder, content)
    path = open_folder / unreadable
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        found = without_rights(open_folder)
    finally:
        path.chmod(mode)
    assert any(f.model == "m" and f.level == Severity.ERROR for f in found)


def test_files_that_nobody_can_read(tmp_path: Path) -> None:
    """Its kind is a file, its first byte is an input/output error, for root too."""
    write(tmp_path, {"m/1/model.py": MODEL_PY, "n/1/": b""})
    (tmp_path / "m/config.pbtxt").symlink_to("/proc/self/mem")
    (tmp_path / "n/1/model.pt").symlink_to("/proc/self/mem")
    found = judged(tmp_path)
    assert {f.model: f.code for f in found if f.level == Severity.ERROR}["m"] == "C008"
    assert any(f.model == "n" and f.level == Severity.ERROR for f in found)


@pytest.mark.parametrize("what", ["m", "m/1", "m/config.pbtxt", "m/1/model.onnx"])
def test_what_vanishes_between_two_looks(tmp_path: Path, what: str) -> None:
    """The folder was listed, then somebody removes it, then it is judged."""
    onnx = make("x:fp32[N,4] -> y:fp32[N,4]")
    write(tmp_path, {"m/config.pbtxt": b'backend: "onnxruntime"\n', "m/1/model.onnx": onnx})
    (repository,) = targets_of([tmp_path])
    (listed,) = repository.models("m", Settings())
    assert repository.names == ["m"]
    assert listed.version_folders[1].files == ["model.onnx"]
    path = tmp_path / what
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (found,) = judge_repository(repository, Settings())
    assert any(f.level == Severity.ERROR for f in found) == (what != "m/config.pbtxt")
    late = [f.message for f in judge(listed)]
    assert any("could not be judged" in message for message in late) == (what != "m/config.pbtxt")
