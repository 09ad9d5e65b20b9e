"""The one gate for files that somebody else named, or laid where we look.

Locks, cache entries, configs, requests and ONNX files name files; repositories hold links, fifos
and devices. A name becomes a path here and nowhere else: `tests/test_foreign.py` looks through the
syntax trees for any other place where a word is joined to a path.

A path that was given on the command line is the user's own word, and so is where links lead that
it goes through: only what lies below it is foreign.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from trtbuild.errors import ForeignNameError

_NAME_BYTES = 255  # NAME_MAX of Linux's file systems
_PATH_BYTES = 4096  # PATH_MAX
_CHUNK_BYTES = 1 << 20


class Fence(NamedTuple):
    """Where links may lead that lie in a folder."""

    roots: tuple[str, ...] | None  # real paths, each with all below it; None: anywhere

    def holds(self, path: Path) -> bool:
        """Whether `path`, links followed, lies in one of the roots; it need not be there."""
        return self.holds_real(os.path.realpath(path))

    def holds_real(self, real: str) -> bool:
        """The same for a path that has no links in it."""
        if self.roots is None:
            return True
        return any(real == root or real.startswith(f"{root.rstrip('/')}/") for root in self.roots)


ANYWHERE = Fence(None)


def fence_of(*folders: Path) -> Fence:
    """Links may lead to what lies in `folders`."""
    return Fence(tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders)))


def check_name(name: str, *, plain: bool = False) -> None:
    """Raise `ForeignNameError` for a name that is no relative path without `..`.

    `plain`: nor one in a sub-folder. Whether anything has that name is not looked at.
    """
    parts = PurePosixPath(name).parts
    if not parts:
        problem = "it is empty"
    elif "\0" in name:
        problem = "it has a NUL in it"
    elif name.startswith("/"):
        problem = "it is an absolute path"
    elif ".." in parts:
        problem = "it leads out of its folder with '..'"
    elif plain and "/" in name:
        problem = "it names a sub-folder"
    elif _is_long(name, parts):
        problem = f"a name has {_NAME_BYTES} bytes at most, a path {_PATH_BYTES}"
    else:
        return
    shown = name if len(name) <= _NAME_BYTES else f"{name[:_NAME_BYTES]}..."
    raise ForeignNameError(f"'{shown}' names no file in its folder: {problem}")


def _is_long(name: str, parts: tuple[str, ...]) -> bool:
    """A lone surrogate, which no file system takes, counts as too long."""
    try:
        sizes = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        return True
    return max(sizes) > _NAME_BYTES or len(os.fsencode(name)) >= _PATH_BYTES


def path_inside(
    folder: Path, name: str, fence: Fence | None = None, *, plain: bool = False
) -> Path:
    """`folder / name` for a name that is not ours.

    Raises `ForeignNameError` where `check_name` does, and where a link in `folder` leads out of
    `fence`, which is `folder` itself where None. Nothing need be there.
    """
    check_name(name, plain=plain)
    path = folder / name
    _real_inside(path, fence or fence_of(folder))
    return path


def _real_inside(path: Path, fence: Fence) -> str:
    real = os.path.realpath(path)
    if not fence.holds_real(real):
        raise ForeignNameError(
            f"'{path}' is a link that leads out, to '{real}'", "put the file itself there"
        )
    return real


def stated_path(text: str) -> Path:
    """A path that is none in the model's folder, as some of Triton's parameters state.

    It is one of the server's machine: to be compared and looked for, not to be opened.
    """
    return Path(text.replace("\0", "\ufffd"))  # a NUL, which no file has, finds nothing


def open_inside(folder: Path, name: str, fence: Fence | None = None) -> BinaryIO:
    """The regular file `folder / name`, opened for reading without following links.

    Raises as `path_inside` does, and `OSError` where it is not there, is no regular file, or a
    link took the place of a folder on the way meanwhile.
    """
    check_name(name)
    path = folder / name
    *folders, last = _real_inside(path, fence or fence_of(folder)).split("/")[1:]
    directory = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(part, flags, dir_fd=directory)
            os.close(directory)
            directory = inner
        return _regular(last or ".", path, directory, follow=False)
    except OSError as error:
        raise _at(error, path) from None
    finally:
        os.close(directory)


def open_file(path: Path) -> BinaryIO:
    """The regular file at a path of ours, opened for reading without waiting; links are followed.

    Raises `OSError`, also for a fifo, a socket and a device: reading those may never end.
    """
    return _regular(path, path)


def _regular(
    name: str | Path, path: Path, directory: int | None = None, *, follow: bool = True
) -> BinaryIO:
    # Looked at before, as opening a device may do something; not blocking, as opening a fifo
    # without a writer would for ever; looked at again, as it may have been another one.
    _check_regular(os.stat(name, dir_fd=directory, follow_symlinks=follow).st_mode, path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    flags |= 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        what = "it is a link" if stat.S_ISLNK(mode) else "it is no regular file"
        raise OSError(errno.EINVAL, what, str(path))


def _at(error: OSError, path: Path) -> OSError:
    """`error` with the whole path in it, not the part that was opened."""
    return OSError(error.errno, error.strerror, str(path))


def read_file(path: Path, most: int) -> bytes:
    """What is in the regular file at a path of ours. Raises `OSError`, also over `most` bytes."""
    with open_file(path) as file:
        return _bounded(file, path, most)


def read_inside(folder: Path, name: str, most: int, fence: Fence | None = None) -> bytes:
    """What is in the regular file `folder / name`: see `open_inside`.

    Raises `OSError` for one of over `most` bytes, too.
    """
    with open_inside(folder, name, fence) as file:
        return _bounded(file, folder, most)


def digest_inside(folder: Path, name: str, fence: Fence | None = None) -> str:
    """SHA-256 of the regular file `folder / name`: see `open_inside`. Memory stays at one chunk."""
    with open_inside(folder, name, fence) as file:
        return digest_of(file)


def digest_of(file: BinaryIO) -> str:
    """SHA-256 of what is left to read of an open file. Memory stays at one chunk."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _bounded(file: BinaryIO, path: Path, most: int) -> bytes:
    content = file.read(most + 1)
    if len(content) > most:
        size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most} bytes"
        raise OSError(errno.EFBIG, f"it is larger than {size}", str(path))
    return content
