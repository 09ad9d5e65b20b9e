from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.errors import RepositoryError, UsageError
from trtbuild.repository.layout import check_name, check_repository, versions_of


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


def test_a_place_under_a_file_is_no_place_for_a_repository(tmp_path: Path) -> None:
    check_repository(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RepositoryError, match=r"'.*/file' is a file"):
        check_repository(tmp_path / "file" / "repo")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(RepositoryError, match="broken link"):
        check_repository(tmp_path / "link")
