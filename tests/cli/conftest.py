"""Run the real console script in a process of its own, or its app in this one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Trtbuild = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trtbuild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trtbuild:
    """`trtbuild("convert", ...)` with a cache of its own; nothing is checked."""
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).parent / "trtbuild"), *map(str, arguments)]
        return subprocess.run(  # type: ignore[call-overload, no-any-return] # options are run's own
            command, text=True, capture_output=True, check=False, timeout=300, **options
        )

    return run
