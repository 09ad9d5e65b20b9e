from pathlib import Path

import pytest

from tests.repository.content import content
from trtbuild.errors import RepositoryError
from trtbuild.repository.destination import check_destination, lock_to_add_to
from trtbuild.repository.write import write_version


def test_the_version_is_known_before_the_long_work(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    assert check_destination(repo, "net", "next", None) == 1
    assert check_destination(repo, "net", "replace", None) == 1
    assert not repo.exists()
    write_version(repo, content(tmp_path / "c"), version=4)
    assert check_destination(repo, "net", "next", None) == 5
    assert check_destination(repo, "net", "next", 2) == 2
    assert check_destination(repo, "net", "replace", None) == 4
    assert check_destination(repo, "net", "add", None) == 4
    with pytest.raises(RepositoryError, match="has a version 4 already"):
        check_destination(repo, "net", "next", 4)
    write_version(repo, content(tmp_path / "c"))
    with pytest.raises(RepositoryError, match=r"version 4 of 'net' is not the latest, 5"):
        check_destination(repo, "net", "add", 4)
    with pytest.raises(RepositoryError, match=r"no version 3 .* \(versions: 4, 5\)"):
        check_destination(repo, "net", "add", 3)


def test_what_trtbuild_did_not_write_cannot_be_added_to(tmp_path: Path) -> None:
    (tmp_path / "net/1").mkdir(parents=True)
    with pytest.raises(RepositoryError, match="was not written by trtbuild"):
        lock_to_add_to(tmp_path, "net", 1)


def test_a_model_that_is_a_link_or_a_file_is_left_alone(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    (tmp_path / "elsewhere").mkdir()
    repo.mkdir()
    (repo / "net").symlink_to(tmp_path / "elsewhere")
    (repo / "lost").symlink_to("nowhere")
    (repo / "file").write_text("x")
    for name, what in (("net", "a symbolic link"), ("lost", "a symbolic link"), ("file", "a file")):
        with pytest.raises(RepositoryError, match=f"'{repo}/{name}' is {what}"):
            write_version(repo, content(tmp_path / "c", name=name))
    assert (repo / "net").is_symlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "elsewhere", "repo"]
