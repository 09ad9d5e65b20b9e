from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.errors import RepositoryError, UsageError
from trtbuild.repository.layout import (
    check_name,
    check_no_version,
    check_repository,
    is_model,
    versions_of,
    with_a_name,
)


@pytest.mark.parametrize("name", ["resnet50", "a", "_x", "net.v2", "a-b+c", "0"])
def test_good_names(name: str) -> None:
    check_name(name)


@given(st.text())
def test_a_name_that_passes_is_one_plain_path_part(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    assert Path("repo", name).name == name
    assert not name.startswith(".")


def test_version_folders_are_what_triton_takes_for_versions(tmp_path: Path) -> None:
    for name in ("1", "10", "2", "0", "01", "1abc", "-1", "configs", ".trtbuild"):
        (tmp_path / name).mkdir()
    (tmp_path / "3").write_text("a file")
    assert list(versions_of(tmp_path)) == [0, 1, 2, 10]
    assert versions_of(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("entries", "model"),
    [
        (["config.pbtxt", "1/"], True),
        (["1/", "labels.txt"], True),
        (["configs/gpu.pbtxt", "1/"], True),
        (["m/config.pbtxt", "m/1/"], False),
        (["m/1/", "n/1/"], False),
        (["1/config.pbtxt", "1/1/"], False),  # a repository whose model is called 1
        (["configs/config.pbtxt", "configs/1/"], False),
        ([], False),
    ],
)
def test_a_model_and_a_repository_are_told_apart(
    tmp_path: Path, entries: list[str], model: bool
) -> None:
    for entry in entries:
        path = tmp_path / entry
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if entry.endswith("/") else path.touch()
    assert is_model(tmp_path) == model


def test_a_version_is_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m/1").mkdir(parents=True)
    check_no_version(tmp_path / "m")
    monkeypatch.chdir(tmp_path / "m/1")
    for path in (tmp_path / "m/1", Path()):
        with pytest.raises(UsageError, match="is version 1 of the model 'm'"):
            check_no_version(path)


def test_a_repository_may_be_called_by_a_number(tmp_path: Path) -> None:
    (tmp_path / "4711/m/1").mkdir(parents=True)
    check_no_version(tmp_path / "4711")


def test_here_and_above_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m/1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "m/1")
    assert with_a_name(Path("..")) == tmp_path / "m"
    assert with_a_name(Path()) == tmp_path / "m/1"
    assert with_a_name(Path("a/b")) == Path("a/b")


def test_a_place_under_a_file_is_no_place_for_a_repository(tmp_path: Path) -> None:
    check_repository(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RepositoryError, match=r"'.*/file' is a file"):
        check_repository(tmp_path / "file" / "repo")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(RepositoryError, match="broken link"):
        check_repository(tmp_path / "link")
