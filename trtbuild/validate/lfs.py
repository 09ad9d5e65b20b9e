"""Pointers of git lfs: small text files that stand for large ones which were not fetched.

Source: the specification of git lfs (docs/spec.md): a pointer has less than 1024 bytes and begins
with the line of its version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trtbuild.validate.bounded import content_of

_BEGINS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_MOST_BYTES = 1024
_DEEPEST = 4  # folders below a model's
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


def pointers_below(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The pointers in a folder and those in it, sorted; links to folders are not followed."""
    inner = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    inner.append(Path(entry.path))
                elif _is_small(entry) and is_pointer(Path(entry.path)):
                    yield Path(entry.path)
    except OSError:
        return
    for path in inner if depth < _DEEPEST else ():
        yield from pointers_below(path, depth + 1)


def _is_small(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() and 0 < entry.stat().st_size < _MOST_BYTES
    except OSError:
        return False
