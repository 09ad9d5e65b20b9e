"""Which version a run writes, and whether it may: asked before the long work, and again after.

A model's versions share one `config.pbtxt`, so a new version must have the interface of those
that stay, and a config that somebody edited by hand is not overwritten unasked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from trtbuild.artifacts import digest_of_files
from trtbuild.errors import RepositoryError
from trtbuild.foreign import fence_of, path_inside
from trtbuild.repository.layout import CONFIG, check_name, check_repository, versions_of
from trtbuild.repository.lock import Lock, read_lock

Mode = Literal["next", "add", "replace"]


def check_destination(repo: Path, name: str, mode: Mode, version: int | None) -> int:
    """The version that `write_version` would write now. Raises what it would raise."""
    check_name(name)
    check_repository(repo)
    return choose_version(repo, name, mode, version)


def choose_version(repo: Path, name: str, mode: Mode, version: int | None) -> int:
    """The number of the version to write.

    Raises `RepositoryError` where a new version is there already, a version to add to is not,
    or `config.pbtxt` was edited by hand.
    """
    model = repo / name
    if model.is_symlink() or (model.exists() and not model.is_dir()):
        what = "a symbolic link" if model.is_symlink() else "a file"
        raise RepositoryError(
            f"'{model}' is {what}, and trtbuild writes a model's folder as a whole",
            "put a folder in its place, or name the repository that it points into with --repo",
        )
    versions = versions_of(model)
    latest = max(versions, default=0)
    if mode != "replace":
        _check_config_is_ours(model, versions)
    if mode == "next":
        if version in versions:
            raise RepositoryError(
                f"'{name}' has a version {version} already",
                "leave --version out for the next one, or give --replace or --add",
            )
        return version or latest + 1
    number = version or latest or 1
    if mode == "add" and number not in versions:
        there = ", ".join(map(str, versions)) or "none"
        raise RepositoryError(
            f"--add: there is no version {number} of '{name}' in '{repo}' (versions: {there})",
            "convert it without --add first",
        )
    if mode == "add" and number != latest:
        raise RepositoryError(
            f"--add: version {number} of '{name}' is not the latest, {latest}, and the config that "
            "all versions share would name plans that the latest has not",
            "leave --version out, or convert a new version",
        )
    return number


def _check_config_is_ours(model: Path, versions: dict[int, Path]) -> None:
    config = path_inside(model, CONFIG, fence_of(model.parent))
    if not os.path.lexists(config):
        return
    try:
        digest = digest_of_files(config)
    except OSError as error:
        raise RepositoryError(
            f"'{config}' cannot be read: {error.strerror}",
            "put a plain file there, or give --replace to have it overwritten",
        ) from None
    locks = [lock for path in versions.values() if (lock := read_lock(path)) is not None]
    if digest not in {lock.config_digest for lock in locks}:
        how = "was edited after trtbuild wrote it" if locks else "was not written by trtbuild"
        raise RepositoryError(
            f"'{config}' {how}, and this would overwrite it",
            "give --replace to have it overwritten, or another --name",
        )


def lock_to_add_to(repo: Path, name: str, version: int) -> Lock:
    """The lock of the version that `--add` adds to. Raises `RepositoryError` without one."""
    lock = read_lock(repo / name / str(version))
    if lock is None:
        raise RepositoryError(
            f"--add: version {version} of '{name}' was not written by trtbuild: "
            "nothing says what its plans were built from",
            "give --replace, or leave --add out for a new version",
        )
    return lock


def check_same_model(lock: Lock, new: Lock) -> None:
    """Raise `RepositoryError` where plans built now do not belong beside those of `lock`."""
    differences = []
    if lock.onnx.digest != new.onnx.digest:
        differences.append("the ONNX model")
    if lock.each_profile != new.each_profile:
        differences.append("the shapes")
    if {plan.runtime for plan in lock.plans} - {plan.runtime for plan in new.plans}:
        differences.append("the runtime")
    if differences:
        raise RepositoryError(
            f"--add: what is added differs from version {lock.version} of '{lock.name}' "
            f"in {' and '.join(differences)}",
            "give the same source and options, or leave --add out for a new version",
        )


def check_unchanged(repo: Path, lock: Lock) -> None:
    """Raise `RepositoryError` where the version of `lock` was written again since it was read."""
    if read_lock(path_inside(repo, lock.name) / str(lock.version)) != lock:
        raise RepositoryError(
            f"version {lock.version} of '{lock.name}' in '{repo}' was changed meanwhile",
            "run the command again",
        )


def check_same_interface(repo: Path, new: Lock, version: int) -> None:
    """Raise `RepositoryError` where another version's inputs or outputs differ from `new`'s.

    All versions of a model are served with one config.
    """
    for number, path in versions_of(repo / new.name).items():
        lock = None if number == version else read_lock(path)
        if lock is None:
            continue
        if (lock.onnx.inputs, lock.onnx.outputs) != (new.onnx.inputs, new.onnx.outputs):
            raise RepositoryError(
                f"version {number} of '{new.name}' has other inputs or outputs, and all versions "
                f"share one config: it has {_interface(lock)}; this model has {_interface(new)}",
                f"give another --name, or remove '{path}'",
            )


def _interface(lock: Lock) -> str:
    return f"{'; '.join(map(str, lock.onnx.inputs))} -> {'; '.join(map(str, lock.onnx.outputs))}"
