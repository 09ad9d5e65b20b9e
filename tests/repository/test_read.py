import os
from pathlib import Path

import pytest

from tests.repository.content import content
from trtbuild.errors import RepositoryError, UsageError
from trtbuild.repository.read import read_repository
from trtbuild.repository.write import write_version


def test_models_versions_files_and_locks(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c", name="b"))
    write_version(repo, content(tmp_path / "c", name="a"))
    write_version(repo, content(tmp_path / "c", name="a"))
    read = read_repository(repo)
    assert [model.name for model in read.models] == ["a", "b"]
    first, second = read.models[0].versions
    assert (first.number, second.number) == (1, 2)
    assert first.files["model.sm86.plan"] == 4
    assert first.lock is not None
    assert first.lock.name == "a"


def test_a_models_own_folder_is_that_model(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    for name in ("a", "b"):
        write_version(repo, content(tmp_path / "c", name=name))
    whole, one = read_repository(repo), read_repository(repo / "a")
    assert one.path == whole.path
    assert one.models == whole.models[:1]
    with pytest.raises(UsageError, match=r"'.*repo/a/1' is version 1 of the model 'a'"):
        read_repository(repo / "a/1")


def test_what_is_odd_is_a_value_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "hand/1/saved/deep").mkdir(parents=True)
    (tmp_path / "hand/1/saved/deep/file").write_text("12345")
    (tmp_path / "hand/1/loop").symlink_to(".")
    (tmp_path / "hand/1/broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "hand/1/fifo")
    (tmp_path / "hand/2").mkdir()
    (tmp_path / "hand/2/trtbuild.lock.json").write_text("{")
    (tmp_path / "file").write_text("x")
    (model,) = read_repository(tmp_path).models
    assert not model.has_config
    assert model.versions[0].files == {"saved/deep/file": 5}
    assert "is damaged" in model.versions[1].problem


def test_a_repository_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as caught:
        read_repository(tmp_path / "nowhere")
    assert caught.value.message == f"the repository '{tmp_path}/nowhere' does not exist"
    (tmp_path / "file").write_text("x")
    with pytest.raises(RepositoryError, match="is no folder"):
        read_repository(tmp_path / "file")
