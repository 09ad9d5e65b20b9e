"""Whose the cache is, and how large it may grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trtbuild.cache_folder import bytes_from_text, default_root, doubt, size_limit
from trtbuild.errors import UsageError


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRTBUILD_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_root() == Path("/x/trtbuild")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/z")
    assert default_root() == Path("/z/.cache/trtbuild")
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", "/y")
    assert default_root() == Path("/y")


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o711, 0o1700, 0o500])
def test_a_folder_of_the_users_own_is_believed(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "cache"
    assert doubt(root) == ("", "")  # it will be made
    root.mkdir()
    root.chmod(mode)
    assert doubt(root) == ("", "")
    (tmp_path / "link").symlink_to(root)
    assert doubt(tmp_path / "link") == ("", "")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757, 0o720, 0o702, 0o2770])
def test_one_that_others_may_write_to_is_not(tmp_path: Path, mode: int) -> None:
    """Sticky too: an entry that is not there yet can be put there."""
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(mode)
    (tmp_path / "link").symlink_to(root)
    for path in (root, tmp_path / "link"):
        problem, hint = doubt(path)
        assert "others may write there" in problem
        assert f"chmod -R go-w '{path}'" in hint


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_one_that_belongs_to_another_is_not(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    problem, hint = doubt(tmp_path)
    assert problem == "it belongs to user 12345, and this is root"
    assert "run as its owner" in hint


def test_what_is_no_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert doubt(tmp_path / "file")[0] == "it is no folder"
    assert "Not a directory" in doubt(tmp_path / "file/cache")[0]


@pytest.mark.parametrize(("text", "size"), [
    ("10GB", 10**10), ("1k", 1000), ("0", 0), ("none", None), (" None ", None), ("", 50 * 10**9),
])  # fmt: skip
def test_the_limit_of_size(monkeypatch: pytest.MonkeyPatch, text: str, size: int | None) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", text)
    assert size_limit() == size


@pytest.mark.parametrize("text", ["lots", "-1", "1EB"])
def test_a_limit_that_is_no_size_is_misuse(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", text)
    with pytest.raises(UsageError, match=f"TRTBUILD_CACHE_SIZE: '{text}' is no size"):
        size_limit()


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("10GB", 10**10), ("1.5 mb", 1_500_000), ("3k", 3000), ("2T", 2 * 10**12)],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_from_text(text) == size


@pytest.mark.parametrize("text", ["", "-1", "ten", "1EB", "1.5.5"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_from_text(text)
