"""Write a version of a model into a repository, so that Triton sees the old state or the new.

The model's whole new folder is made beside the repository: the files that were there as hard
links, the new version, the new config. It then takes the old folder's place by one rename (an
exchange, where there was a folder before), so a kill at any moment leaves no half.

Beside, and not inside: Triton takes every folder at a repository's top for a model, hidden ones
too. Where beside is another file system (the repository is a mount point) or read-only, the
version is made inside the model's folder under a name that Triton ignores, and appears by two
renames: the version, then the config.

Writers of one repository take turns by a lock on a plain file at its top. What a killed
writer left is removed by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from trtbuild.artifacts import digest_of_files, layers_file_of
from trtbuild.errors import RepositoryError
from trtbuild.foreign import fence_of, path_inside
from trtbuild.repository.destination import (
    Mode,
    check_same_interface,
    check_same_model,
    check_unchanged,
    choose_version,
    lock_to_add_to,
)
from trtbuild.repository.layout import CONFIG, LOCK, WRITER_LOCK, check_name, check_repository
from trtbuild.repository.lock import Lock, LockedFile, LockedPlan, lock_text, read_lock

_WAIT_S = 60.0
_IN_MODEL = ".trtbuild"  # no number, so Triton takes it for no version


class Content(NamedTuple):
    """A version to be written. Files map the name they get to where they lie now."""

    files: dict[str, Path]  # of the version's folder
    model_files: dict[str, Path]  # of the model's folder: labels
    config: Callable[[tuple[LockedPlan, ...]], str] | None  # its text; None: it stays as it is
    lock: Lock  # its version, files and config digest are filled in here
    read: Lock | None = None  # what `content` was made from: another one by now is an error


class Written(NamedTuple):
    """Where the version is now."""

    directory: Path  # the model's folder
    version: int


def write_version(
    repo: Path,
    content: Content,
    mode: Mode = "next",
    version: int | None = None,
    wait_s: float = _WAIT_S,
) -> Written:
    """Write `content` as a version of the model that its lock names.

    `next` writes a new version, `add` and `replace` take the place of an existing one (the
    latest, unless `version` says which); `add` keeps the plans that are there for targets that
    `content` has none for. Raises `RepositoryError`, and then the repository is as it was.
    """
    name = content.lock.name
    check_name(name)
    check_repository(repo)
    with _told(repo):
        repo.mkdir(parents=True, exist_ok=True)
        with writer_lock(repo, wait_s):
            number = choose_version(repo, name, mode, version)
            check_same_interface(repo, content.lock, number)
            if content.read is not None:
                check_unchanged(repo, content.read)
            if mode == "add":
                content = _merged(content, lock_to_add_to(repo, name, number), repo / name)
            with _staging(repo, name) as staging:
                _stage(staging, repo / name, number, content)
                _appear(staging, repo / name, number)
    return Written(repo / name, number)


def _merged(content: Content, old: Lock, model: Path) -> Content:
    """`content` with what stays of the version that it is added to."""
    new = content.lock
    check_same_model(old, new)
    built = {target for plan in new.plans for target in plan.targets}
    stay = tuple(plan for plan in old.plans if not set(plan.targets) <= built)
    failed = {failure.target for failure in new.failures}
    failures = tuple(f for f in old.failures if f.target not in built | failed)
    names = [name for plan in stay for name in (plan.file, layers_file_of(plan.file))]
    kept = {name: _as_locked(model, old, name) for name in names if name in old.files}
    lock = msgspec.structs.replace(new, plans=stay + new.plans, failures=failures + new.failures)
    return content._replace(files=kept | content.files, lock=lock)


def _as_locked(model: Path, lock: Lock, name: str) -> Path:
    """A file that stays: what was swapped meanwhile is not locked anew as if it were ours."""
    path = path_inside(model / str(lock.version), name, fence_of(model))
    if digest_of_files(path) != lock.files[name].digest:
        raise RepositoryError(
            f"--add: '{path}' is not the file that was written there: its digest differs",
            "give --replace, or leave --add out for a new version",
        )
    return path


@contextlib.contextmanager
def _told(repo: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says which repository and why."""
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: "free some space; nothing was changed",
            errno.EDQUOT: "the quota is used up; nothing was changed",
            errno.EROFS: "mount it for writing, or name another folder with --repo",
            errno.EACCES: "become a user who may write there, or name another folder with --repo",
            errno.EPERM: "become a user who may write there, or name another folder with --repo",
        }.get(error.errno or 0, "nothing was changed")
        what = error.strerror or str(error)
        raise RepositoryError(f"cannot write to the repository '{repo}': {what}", hint) from None


@contextlib.contextmanager
def writer_lock(repo: Path, wait_s: float = _WAIT_S) -> Iterator[None]:
    """Be the only writer of `repo`. Raises `RepositoryError` when another one stays too long."""
    end = time.monotonic() + wait_s
    with _plain_file(repo / WRITER_LOCK) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise RepositoryError(
                        f"another process is writing to the repository '{repo}' "
                        f"(waited {wait_s:g} s)",
                        "try again when it is done",
                    ) from None
                time.sleep(0.05)
        yield


def _plain_file(path: Path) -> BinaryIO:
    """The file of the lock, made where it is not there; never what a link leads to, nor a fifo."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if not os.path.lexists(path) or stat.S_ISREG(path.lstat().st_mode):
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    raise RepositoryError(
        f"'{path}', by which writers of a repository take turns, is no plain file",
        "remove it: trtbuild makes it anew",
    )


class _Staging(NamedTuple):
    folder: Path  # where the new content is made
    beside: bool  # the whole model's folder is made, to be exchanged


@contextlib.contextmanager
def _staging(repo: Path, name: str) -> Iterator[_Staging]:
    real = repo.resolve()
    beside = real.parent / f".{real.name}.trtbuild"
    inside = repo / name / _IN_MODEL
    for left_over in (beside, inside):  # by a killed writer: nobody else writes now
        shutil.rmtree(left_over, ignore_errors=True)
    fits = os.access(real.parent, os.W_OK) and real.parent.stat().st_dev == real.stat().st_dev
    new_model = not (repo / name).exists()
    folder = beside if fits else inside
    try:
        folder.mkdir(parents=True)
        yield _Staging(folder, fits)
    except BaseException:
        if not fits and new_model:
            shutil.rmtree(repo / name, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stage(staging: _Staging, model: Path, number: int, content: Content) -> None:
    """Make the new state in the staging folder, synced to disk."""
    folder = staging.folder
    if staging.beside and model.exists():
        _link_tree(model, folder)
    version = folder / str(number)
    shutil.rmtree(version, ignore_errors=True)
    version.mkdir()
    for name, source in content.files.items():
        _copy(source, path_inside(version, name, plain=True))
    for name, source in content.model_files.items():
        _copy(source, path_inside(folder, name, plain=True))
    lock = content.lock
    if content.config is not None:
        _write(folder / CONFIG, content.config(lock.plans).encode())
        lock = msgspec.structs.replace(lock, config_digest=digest_of_files(folder / CONFIG))
    labels = {name: _locked(path_inside(folder, name)) for name in sorted(content.model_files)}
    lock = msgspec.structs.replace(
        lock, model_files=_labels_before(model, number) | lock.model_files | labels
    )
    _write(version / LOCK, lock_text(_completed(lock, number, version)))
    _sync_folder(version)
    _sync_folder(folder)


def _labels_before(model: Path, number: int) -> dict[str, LockedFile]:
    """What the version that is replaced has locked in the model's folder, where it stays."""
    try:
        lock = read_lock(model / str(number))
    except RepositoryError:  # `--replace` mends a damaged lock
        return {}
    return {} if lock is None else lock.model_files


def _completed(lock: Lock, number: int, version: Path) -> Lock:
    files = {
        path.name: _locked(path)
        for path in sorted(version.iterdir())
        if path.name != LOCK and path.is_file()
    }
    return msgspec.structs.replace(lock, version=number, files=files)


def _locked(path: Path) -> LockedFile:
    return LockedFile(digest_of_files(path), path.stat().st_size)


def _appear(staging: _Staging, model: Path, number: int) -> None:
    """The staged state takes the old one's place."""
    if not staging.beside:
        _appear_in_steps(staging.folder, model, number)
    elif not model.exists():
        staging.folder.rename(model)
    else:
        _exchange(staging.folder, model)
        _keep_latecomers(staging.folder, model)
    _sync_folder(model.parent)


def _appear_in_steps(folder: Path, model: Path, number: int) -> None:
    version = model / str(number)
    if version.exists():
        _exchange(folder / str(number), version)
        shutil.rmtree(folder / str(number))
    else:
        (folder / str(number)).rename(version)
    for path in folder.iterdir():  # the config last: sorted, it would come before the labels
        if path.name != CONFIG:
            path.replace(model / path.name)
    if (folder / CONFIG).exists():
        (folder / CONFIG).replace(model / CONFIG)
    _sync_folder(model)


def _keep_latecomers(old: Path, model: Path) -> None:
    """What somebody put into the old folder while the new one was made moves over."""
    for path in old.iterdir():
        if not (model / path.name).exists() and not (model / path.name).is_symlink():
            path.rename(model / path.name)


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def _exchange(one: Path, other: Path) -> None:
    """Both paths swap what they name, in one step; where the file system cannot, in two."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(one), os.fsencode(other))
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(code, os.strerror(code), str(other))
    aside = one.with_name(f"{one.name}.old")
    other.rename(aside)
    try:
        one.rename(other)
    except BaseException:
        aside.rename(other)
        raise
    aside.rename(one)


def _link_tree(source: Path, target: Path) -> None:
    shutil.copytree(
        source,
        target,
        symlinks=True,
        dirs_exist_ok=True,
        copy_function=_link,
        ignore=shutil.ignore_patterns(_IN_MODEL),
    )


def _link(source: str, target: str) -> str:
    if not os.path.lexists(target):
        os.link(source, target, follow_symlinks=False)
    return target


def _copy(source: Path, target: Path) -> None:
    """A copy of its own (never a link into the store, which an edit in place would reach)."""
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    _sync(target)


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # it may be a hard link to the file that is still in use
    path.write_bytes(data)
    _sync(path)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
