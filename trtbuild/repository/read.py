"""What lies in a repository, without judging it: problems are values, never exceptions."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild.errors import RepositoryError
from trtbuild.repository.layout import (
    CONFIG,
    check_no_version,
    is_model,
    versions_of,
    with_a_name,
)
from trtbuild.repository.lock import Lock, read_lock


class VersionEntry(msgspec.Struct, frozen=True):
    """One version's folder."""

    number: int
    path: Path
    files: dict[str, int]  # name -> size in bytes; what lies in sub-folders with its path
    lock: Lock | None  # None: not written by trtbuild, or `problem`
    problem: str = ""


class ModelEntry(msgspec.Struct, frozen=True):
    """One folder at the repository's top."""

    name: str
    path: Path
    has_config: bool
    versions: tuple[VersionEntry, ...]
    problem: str = ""  # why it cannot be listed


class Repository(msgspec.Struct, frozen=True):
    """Every model of a repository, by name."""

    path: Path
    models: tuple[ModelEntry, ...]


def read_repository(path: Path) -> Repository:
    """List the repository at `path`, or the one model whose own folder that is.

    Raises `RepositoryError` when it is no readable folder, `UsageError` for a model's version.
    """
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        raise RepositoryError(f"the repository '{path}' {what}")
    if is_model(path):
        model = with_a_name(path)
        return Repository(model.parent, (_model(model),))
    check_no_version(path)
    try:
        folders = sorted(child for child in path.iterdir() if child.is_dir())
    except OSError as error:
        raise RepositoryError(f"cannot read the repository '{path}': {error.strerror}") from None
    return Repository(path, tuple(_model(folder) for folder in folders))


def _model(folder: Path) -> ModelEntry:
    try:
        versions = tuple(_version(n, path) for n, path in versions_of(folder).items())
        return ModelEntry(folder.name, folder, (folder / CONFIG).is_file(), versions)
    except OSError as error:
        return ModelEntry(folder.name, folder, False, (), error.strerror or str(error))


def _version(number: int, path: Path) -> VersionEntry:
    files = {
        str(file.relative_to(path)): file.stat().st_size
        for file in sorted(path.rglob("*"))  # follows no symlink to a folder, so it ends
        if file.is_file()
    }
    try:
        return VersionEntry(number, path, files, read_lock(path))
    except RepositoryError as error:
        return VersionEntry(number, path, files, None, error.message)
