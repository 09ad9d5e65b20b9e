"""The model repositories as folders: whose directory is where, and whether it has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trtbuild.errors import RepositoryError
from trtbuild.foreign import Fence
from trtbuild.repository.layout import is_model, with_a_name

LEADS_OUT = "is a link that leads out of the repositories; --follow-links follows such links"
Fingerprint = tuple[tuple[str, int, int], ...]


class Listing(NamedTuple):
    """What lies in the repositories."""

    directories: dict[str, Path]  # model name -> its directory
    problems: dict[str, str]  # name -> why it is nobody's


def check_repositories(repositories: Sequence[Path]) -> None:
    """Raise `RepositoryError` for one that is no directory, or is a model itself."""
    for repository in repositories:
        if not repository.is_dir():
            what = "is no directory" if repository.exists() else "does not exist"
            raise RepositoryError(
                f"the model repository {repository} {what}",
                "give a folder that has a folder for each model",
            )
        if _is_model_alone(repository):
            raise RepositoryError(
                f"{repository} is a model, not a model repository",
                f"give the folder it lies in: {with_a_name(repository).parent}",
            )


def _is_model_alone(folder: Path) -> bool:
    """Whether a folder is a model and holds none: Triton serves those beside a stray config."""
    return is_model(folder) and not any(is_model(path) for path in folder.iterdir())


def model_directories(repositories: Sequence[Path], fence: Fence) -> Listing:
    """Every model's directory by its name. Raises `OSError` for a repository that has vanished.

    A repository given twice is one. A name in two is neither's, as in Triton
    (model_repository_manager.cc, Poll). A link that leads out of `fence` is no model.
    """
    found: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for repository in {path.resolve(): path for path in repositories}.values():
        for path in repository.iterdir():
            if not path.is_dir():
                continue
            if not _is_utf8(path.name):  # neither protocol could say it
                problems[repr(os.fsencode(path.name))[2:-1]] = "has a name that is not UTF-8"
                continue
            if not fence.holds(path):
                problems[path.name] = LEADS_OUT
            if path.name in found:
                both = f"{found[path.name].parent} and {repository}"
                problems[path.name] = f"is not unique across all model repositories: {both}"
            found[path.name] = path
    own = {name: path for name, path in found.items() if name not in problems}
    return Listing(own, problems)


def _is_utf8(name: str) -> bool:
    """Whether a file's name is text; other bytes stand in it as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def fingerprint_of(directory: Path, fence: Fence) -> Fingerprint:
    """What tells whether anything in a model's directory has changed: names, times, sizes.

    What is hidden is passed over: it is no part of a model, but where writers prepare one. Links
    are followed as far as `fence`, each folder once, and are told by where they lead too: stores
    give all their files the same time.
    """
    rows = [(_leading(directory), 0, 0)]
    known = {directory.resolve()}
    for folder, folders, files in os.walk(directory, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        rows += [_row(Path(folder, name)) for name in (*folders, *files)]
        real = {name: Path(folder, name).resolve() for name in folders}
        folders[:] = [
            name for name in folders if real[name] not in known and fence.holds(real[name])
        ]
        known.update(real.values())
    return tuple(sorted(rows))


def _row(path: Path) -> tuple[str, int, int]:
    """A file or folder as it is now."""
    try:
        stat = path.stat()
        return _leading(path), stat.st_mtime_ns, stat.st_size
    except OSError:  # it vanished, or is a broken link: that is a state of its own
        return str(path), 0, -1


def _leading(path: Path) -> str:
    """A path, and where it leads if it is a link."""
    return f"{path} -> {path.readlink()}" if path.is_symlink() else str(path)
