"""Where repositories lie, and what is found there."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from trtbuild.artifacts import digest_of_files


def tree(folder: Path) -> dict[str, str]:
    """Every file with its digest: what "as it was" means."""
    return {
        str(path.relative_to(folder)): digest_of_files(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".trtbuild.lock"
    }


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own at `folder`."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def left_overs(repo: Path) -> list[Path]:
    return [
        path
        for path in [*repo.parent.iterdir(), *repo.rglob("*")]
        if "trtbuild" in path.name and not path.name.startswith("trtbuild.lock")
        if path.name != ".trtbuild.lock"
    ]
