"""Names and places in a model repository, as Triton's core reads it.

Source: Triton core, model_repository_manager.cc and model_lifecycle.cc; a running 2.51.
"""

from __future__ import annotations

import re
from pathlib import Path

from trtbuild.errors import RepositoryError, UsageError

CONFIG = "config.pbtxt"
LOCK = "trtbuild.lock.json"  # in a version's folder
PORTABLE = "model.onnx"  # in a version's folder: the fallback where no plan fits
WRITER_LOCK = ".trtbuild.lock"  # a plain file at the top, which Triton ignores

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION = re.compile(r"0|[1-9][0-9]*")  # Triton ignores a leading zero's folder


def check_name(name: str) -> None:
    """Raise `UsageError` for a model name that is no plain folder name.

    Triton takes nearly any folder name; URLs, shells and its own clients do not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' is no name for a model",
            "use letters, digits, '_', '-', '.' and '+', and begin with a letter, digit or '_'",
        )


def versions_of(model: Path) -> dict[int, Path]:
    """The version folders of a model's folder, ascending; empty where there is none."""
    if not model.is_dir():
        return {}
    found = {
        int(child.name): child
        for child in model.iterdir()
        if _VERSION.fullmatch(child.name) and child.is_dir()
    }
    return dict(sorted(found.items()))


def check_repository(repo: Path) -> None:
    """Raise `RepositoryError` where `repo` is something other than a folder or a place for one."""
    for place in (repo, *repo.parents):
        if place.is_dir():
            return
        if place.exists() or place.is_symlink():
            raise RepositoryError(
                f"the repository '{repo}' cannot be a folder: '{place}' is a file or a broken link",
                "name another folder with --repo",
            )
