"""Names and places in a model repository, as Triton's core reads it.

Source: Triton core, model_repository_manager.cc and model_lifecycle.cc; a running 2.51.
"""

from __future__ import annotations

import re
from pathlib import Path

from trtbuild.errors import RepositoryError, UsageError
from trtbuild.repository.directory import Directory
from trtbuild.repository.versions import version_of_folder

CONFIG = "config.pbtxt"
VARIANTS = "configs"  # configs/<name>.pbtxt are taken with --model-config-name=<name>
LOCK = "trtbuild.lock.json"  # in a version's folder
PORTABLE = "model.onnx"  # in a version's folder: the fallback where no plan fits
WRITER_LOCK = ".trtbuild.lock"  # a plain file at the top, which Triton ignores

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


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
        number: child
        for child in model.iterdir()
        if (number := version_of_folder(child.name)) is not None and child.is_dir()
    }
    return dict(sorted(found.items()))


def with_a_name(path: Path) -> Path:
    """The same place by a path that ends in its name: for `.` and `..` the absolute one."""
    return path if path.name not in ("", "..") else path.resolve()


def check_no_version(path: Path) -> None:
    """Raise `UsageError` where `path` is a version's folder of a model.

    A folder that is called by a number and has models in it is a repository all the same.
    """
    place = with_a_name(path)
    if any(is_model(place / name) for name in Directory(place).folders):
        return
    if version_of_folder(place.name) is not None and is_model(place.parent):
        model = place.resolve().parent
        raise UsageError(
            f"'{path}' is version {place.name} of the model '{model.name}'",
            "give the folder of the repository or of one model",
        )


_LEVELS = 3  # how deep below a folder repositories are looked for
_FOLDERS = 200  # and in how many of its folders


def check_level(path: Path) -> None:
    """Raise `UsageError` where `path` has no models, and a folder in it, or below, is a repository.

    A server that is given such a folder takes the repositories for models.
    """
    found = _repositories(path, _LEVELS)
    if not found:
        return
    if len(found) == 1:
        raise UsageError(
            f"'{path}' is no model repository: the models are in '{found[0]}'",
            f"give '{found[0]}', here and to the server",
        )
    names = [str(place.relative_to(path)) for place in found]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    raise UsageError(
        f"'{path}' is no model repository but a folder of {len(names)}: {shown}",
        f"give one of them, or all: {' '.join(str(place) for place in found[:3])}"
        + (" ..." if len(found) > 3 else ""),
    )


def _repositories(path: Path, levels: int) -> list[Path]:
    """The repositories in a folder that has no models of its own; none where it has.

    Hidden folders (`.git`, `.venv`) are somebody else's, whatever they look like.
    """
    names = sorted(Directory(path).folders)
    folders = [path / name for name in names if not name.startswith(".")]
    # One with versions may be a model whose config lies in the wrong place.
    if any(is_model(folder) or has_versions(folder) for folder in folders):
        return []
    found = []
    for folder in folders[:_FOLDERS]:
        inner = Directory(folder)
        if any(is_model(folder / name) for name in inner.folders):
            found.append(folder)
        elif levels > 1:
            found += _repositories(folder, levels - 1)
    return found


def is_config(file: str) -> bool:
    """Whether a file's name is that of a config."""
    return file.endswith(".pbtxt")


def is_model(path: Path) -> bool:
    """Whether a folder is a model, not a repository of models.

    One with a config is; so is one with nothing but versions in it, or with `configs/*.pbtxt`.
    """
    directory = Directory(path)
    if directory.has_entry(CONFIG) and CONFIG not in directory.folders:
        return True
    if VARIANTS in directory.folders and any(map(is_config, directory.child(VARIANTS).files)):
        return not any(CONFIG in directory.child(name).files for name in directory.folders)
    return has_versions(path) and not any(
        CONFIG in directory.child(name).files or directory.child(name).versions
        for name in directory.folders
    )


def has_versions(folder: Path) -> bool:
    """Whether a folder has sub-folders that are numbers, be they misspelt as `01`."""
    return any(name.isdecimal() for name in Directory(folder).folders)


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
