import json
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from trtbuild.cli.cache import bytes_from_text
from trtbuild.errors import UsageError
from trtbuild.store import Store


def fill(root: Path, *keys: str) -> None:
    for key in keys:

        def make(directory: Path) -> int:
            (directory / "file").write_bytes(bytes(1_000_000))
            return 1

        Store(root).cached("plans", key, int, make)


def test_ls_prune_and_clear(trtbuild: Trtbuild, tmp_path: Path) -> None:
    fill(tmp_path / "cache", "aaaa", "bbbb", "cccc")
    listed = trtbuild("cache", "ls")
    assert listed.stdout.splitlines()[0].split() == ["KIND", "KEY", "SIZE", "USED"]
    assert listed.stdout.splitlines()[-1] == f"3 entries, 3.0 MB in {tmp_path / 'cache'}"
    entries = json.loads(trtbuild("cache", "ls", "--json").stdout)["entries"]
    assert [entry["key"] for entry in entries] == ["aaaa", "bbbb", "cccc"]
    assert trtbuild("cache", "prune", "--keep", "2.1MB").stdout == "1 entry, 1.0 MB dropped\n"
    assert trtbuild("cache", "prune", "--days", "1").stdout == "0 entries, 0 B dropped\n"
    assert trtbuild("cache", "clear").stdout == "2 entries, 2.0 MB dropped\n"
    assert trtbuild("cache", "clear").returncode == 0


def test_prune_without_a_limit_is_misuse(trtbuild: Trtbuild) -> None:
    done = trtbuild("cache", "prune")
    assert done.returncode == 2
    assert "error: nothing says what to keep" in done.stderr
    assert "give --keep 10GB or --days 30, or both" in done.stderr


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
