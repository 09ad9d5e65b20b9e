"""Pointers of git lfs: small text files that stand for large ones which were not fetched.

Source: the specification of git lfs (docs/spec.md): a pointer has less than 1024 bytes and begins
with the line of its version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.repository.directory import Directory
from trtbuild.validate.bounded import content_of

_BEGINS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_MOST_BYTES = 1024
_FILES = 1000  # that are looked at in one folder
_DEEPEST = 4  # folders below the first
HINT = "run `git lfs pull`, which fetches the file"


def is_pointer(path: Path) -> bool:
    """Whether the file at `path` is a pointer; a fifo or what cannot be read is none."""
    try:
        return is_pointer_text(content_of(path, _MOST_BYTES) or b"")
    except OSError:
        return False


def is_pointer_text(content: bytes) -> bool:
    """Whether a file of this content is a pointer."""
    return len(content) < _MOST_BYTES and content.startswith(_BEGINS)


def pointers_in(folder: Directory, depth: int = 0) -> Iterator[Path]:
    """The pointers in a folder and in those below it, sorted."""
    for name in sorted(folder.files)[:_FILES]:
        path = folder.path / name
        if _is_small(path) and is_pointer(path):
            yield path
    for name in sorted(folder.folders)[:_FILES] if depth < _DEEPEST else ():
        if not (folder.path / name).is_symlink():  # it may lead anywhere
            yield from pointers_in(folder.child(name), depth + 1)


def _is_small(path: Path) -> bool:
    try:
        return 0 < path.stat().st_size < _MOST_BYTES
    except OSError:
        return False
