"""EXECUTION_ENV_PATH: what is taken for an archive, and where it is looked for."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Edit, Severity
from trtbuild.validate.rules.backend.environment import is_archive

CONFIG = """backend: "python"
parameters {{ key: "EXECUTION_ENV_PATH" value {{ string_value: "{}" }} }}
"""


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_tar_writes_is_an_archive(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "environment"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # modes are literals
        archive.add(__file__, "bin/activate")
    assert is_archive(path)


def test_what_zip_writes_is_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(__file__, "bin/activate")
    assert is_archive(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\0" * 512, b"7" * 512])
def test_other_files_are_not(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_bytes(content)
    assert not is_archive(path)


def test_a_relative_path_is_mended_where_it_is_meant_in_the_model(judge: Judge) -> None:
    text = f"-- demo/config.pbtxt --\n{CONFIG.format('env.tar.gz')}-- demo/1/model.py --\n"
    (finding,) = (f for f in judge(text + "-- demo/env.tar.gz = archive --\n") if f.code == "B011")
    assert finding.level == Severity.ERROR
    assert finding.hint == 'write "$$TRITON_MODEL_DIRECTORY/env.tar.gz"'
    edits = [edit.new for edit in finding.fix if isinstance(edit, Edit)]
    assert edits == ['"$$TRITON_MODEL_DIRECTORY/env.tar.gz"']


@pytest.mark.parametrize("given", ["env.tar.gz", "./env", "../env", "model_env"])
@pytest.mark.parametrize("here", [False, True])
def test_another_relative_path_may_be_where_the_server_is_started(
    given: str, here: bool, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried on Triton 2.51: started in the folder with the environment, it loads the model."""
    started = tmp_path / "started/in"
    started.mkdir(parents=True)
    monkeypatch.chdir(started)
    if here:
        (started / given / "bin").mkdir(parents=True)
    text = f"-- demo/config.pbtxt --\n{CONFIG.format(given)}-- demo/1/model.py --\n"
    (finding,) = (f for f in judge(text) if f.code == "B011")
    assert finding.level == Severity.WARNING
    assert given.removeprefix("./") not in finding.hint
    assert not finding.fix


def test_an_absolute_path_may_be_on_the_server(judge: Judge) -> None:
    text = f"-- demo/config.pbtxt --\n{CONFIG.format('/opt/env.tar.gz')}-- demo/1/model.py --\n"
    (finding,) = (f for f in judge(text) if f.code == "B011")
    assert finding.level == Severity.WARNING
