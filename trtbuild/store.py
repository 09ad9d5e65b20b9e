"""The content-addressed store under the user's cache directory.

An entry is a folder `<root>/<kind>/<key>` with the files of one artifact and `entry.json`, the
artifact itself. It appears by one rename after it was written; a reader checks every file's
digest, so a damaged entry is a miss and is removed. Nothing in here is needed: clearing it
costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from trtbuild.artifacts import digest_of_files, from_json, to_json
from trtbuild.errors import StoreError

T = TypeVar("T")
_ENTRY = "entry.json"
_PARTIAL = "partial"  # the folder of entries being written


def key_of(value: Any) -> str:
    """The key of whatever determines an artifact: SHA-256 of its JSON form, keys sorted."""
    return hashlib.sha256(
        msgspec.json.encode(msgspec.to_builtins(value), order="sorted")
    ).hexdigest()


class Entry(NamedTuple):
    """One entry as `trtbuild cache ls` shows it."""

    kind: str
    key: str
    size_bytes: int
    used: float  # seconds since the epoch


class _Record(msgspec.Struct, frozen=True):
    value: msgspec.Raw
    files: dict[str, str]  # name -> SHA-256


def default_root() -> Path:
    """$TRTBUILD_CACHE_DIR, else trtbuild under $XDG_CACHE_HOME, else ~/.cache/trtbuild."""
    if named := os.environ.get("TRTBUILD_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trtbuild"


class Store:
    """See the file's docstring. Several processes may use one store at the same time."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self._staging: Path | None = None

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """While this lasts, what this object's entries are made in: a folder that no other run
        writes to, so that a worker may be let into it alone. Raises `OSError`.
        """
        partial = self.root / _PARTIAL
        partial.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=partial, ignore_cleanup_errors=True) as folder:
            self._staging = Path(folder)
            try:
                yield self._staging
            finally:
                self._staging = None

    def cached(
        self, kind: str, key: str | None, type_: type[T], make: Callable[[Path], T]
    ) -> tuple[T, bool]:
        """The artifact under `key`, and whether it was there already.

        `make(directory)` makes it when it is not, with all its files right in `directory`; the
        artifact's `directory` field is set to the entry's folder. With a key of None (a source
        that is code, so nothing tells whether it changed) it is always made anew and lies under
        the digest of its content. Raises `StoreError` where the folder cannot be written.
        """
        if key is not None and (found := self._get(kind, key, type_)) is not None:
            return found, True
        try:
            return self._made(kind, key, make), False
        except OSError as error:
            raise StoreError(
                f"the cache '{self.root}' cannot be written: {error.strerror}",
                "make room there, or name another folder with TRTBUILD_CACHE_DIR",
            ) from None

    def _made(self, kind: str, key: str | None, make: Callable[[Path], T]) -> T:
        with self._partial() as partial:
            value = make(partial)
            files = {path.name: digest_of_files(path) for path in sorted(partial.iterdir())}
            record = _Record(msgspec.Raw(to_json(value)), files)
            (partial / _ENTRY).write_bytes(msgspec.json.encode(record))
            self._publish(partial, folder := self.root / kind / (key or key_of(files)))
        return _in_directory(value, folder)

    def _get(self, kind: str, key: str, type_: type[T]) -> T | None:
        folder = self.root / kind / key
        try:
            record = from_json((folder / _ENTRY).read_bytes(), _Record)
            for name, digest in record.files.items():
                if digest_of_files(folder / name) != digest:
                    raise ValueError(f"{name} was changed")
            value = from_json(bytes(record.value), type_)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.MsgspecError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)  # `prune` drops what was used longest ago
        return _in_directory(value, folder)

    @contextlib.contextmanager
    def _partial(self) -> Iterator[Path]:
        folder = self._staging or self.root / _PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder))
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _publish(self, partial: Path, final: Path) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(final)
        except OSError:
            if not final.is_dir():  # else another process was faster with the same content
                raise

    def entries(self) -> list[Entry]:
        """Every entry, the one used longest ago first."""
        found = []
        for record in self.root.glob(f"*/*/{_ENTRY}"):
            folder = record.parent
            with contextlib.suppress(OSError):
                size = sum(path.stat().st_size for path in folder.iterdir())
                used = folder.stat().st_mtime
                found.append(Entry(folder.parent.name, folder.name, size, used))
        return sorted(found, key=lambda entry: entry.used)

    def prune(self, keep_bytes: int | None = None, keep_days: float | None = None) -> list[Entry]:
        """Drop entries unused for `keep_days`, then the oldest until `keep_bytes` are left."""
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries)
        dropped = []
        for entry in entries:
            old = keep_days is not None and entry.used < time.time() - keep_days * 86400
            if old or (keep_bytes is not None and total > keep_bytes):
                shutil.rmtree(self.root / entry.kind / entry.key, ignore_errors=True)
                total -= entry.size_bytes
                dropped.append(entry)
        return dropped

    def clear(self) -> list[Entry]:
        """Drop everything, also what a killed run left half-written."""
        dropped = self.entries()
        for child in self.root.iterdir() if self.root.is_dir() else ():
            shutil.rmtree(child, ignore_errors=True)
        return dropped


def _in_directory(value: T, folder: Path) -> T:
    """`value`, and every struct right inside it, with its files in `folder`."""
    if not isinstance(value, msgspec.Struct):
        return value
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if name == "directory":
            changes[name] = folder
        elif isinstance(field, msgspec.Struct):
            changes[name] = _in_directory(field, folder)
    return msgspec.structs.replace(value, **changes) if changes else value
