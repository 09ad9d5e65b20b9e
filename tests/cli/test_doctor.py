import json
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild


def test_doctor_says_what_is_here_and_how_to_get_the_rest(trtbuild: Trtbuild) -> None:
    done = trtbuild("doctor")
    assert done.returncode == 0, done.stderr
    assert "tensorrt-rtx 1" in done.stdout
    assert "builds for 7.5, 8.0, 8.6, 8.9, 12.0, 12.1" in done.stdout
    facts = json.loads(trtbuild("doctor", "--json").stdout)
    tensorrt = facts["frameworks"][-1]
    assert tensorrt["install"] == (
        "" if all(tensorrt["packages"].values()) else 'pip install "trtbuild[tensorrt]"'
    )


def test_doctor_says_whether_the_cache_is_used(
    trtbuild: Trtbuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "3GB")
    root = tmp_path / "cache"
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(root))
    assert f"cache {root}, 0 B of 3.0 GB\n" in trtbuild("doctor").stdout
    monkeypatch.setenv("TRTBUILD_CACHE_SIZE", "none")
    root.mkdir()
    root.chmod(0o777)
    facts = json.loads(trtbuild("doctor", "--json").stdout)
    assert facts["cache_limit_bytes"] is None
    assert "others may write there" in facts["cache_problem"]
    assert "chmod -R go-w" in facts["cache_problem"]
    assert facts["temporary"]
