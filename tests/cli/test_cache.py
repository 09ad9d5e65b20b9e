import json
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from tests.models import linear
from tests.test_store_trust import replaced
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


def test_a_plan_and_its_digest_that_somebody_replaced_are_not_taken(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    """In a cache that all may write to. It is not used, whatever is in it; the conversion is."""
    model, cache = linear(tmp_path / "m.onnx"), tmp_path / "cache"
    convert = ("convert", model, "--target", "8.6", "--name", "net", "--repo")
    assert trtbuild(*convert, tmp_path / "first").returncode == 0
    (entry,) = (cache / "plan").iterdir()
    replaced(entry, b"ftrt evil")
    cache.chmod(0o777)
    done = trtbuild(*convert, tmp_path / "second")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"the cache '{cache}' is not used: others may write there") == 1
    assert "chmod -R go-w" in done.stderr
    plans = [tmp_path / repo / "net/1/model.sm86.plan" for repo in ("first", "second")]
    assert plans[0].read_bytes() == plans[1].read_bytes()


def test_a_limit_of_size_that_is_none_is_misuse(
    trtbuild: Trtbuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "lots")
    done = trtbuild("cache", "ls")
    assert (done.returncode, "TRTBUILD_CACHE_SIZE: 'lots' is no size" in done.stderr) == (2, True)
