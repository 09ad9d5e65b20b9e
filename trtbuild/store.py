"""The content-addressed store under the user's cache directory.

An entry is a folder `<root>/<kind>/<key>` with the files of one artifact and `entry.json`, the
artifact itself. It appears by one rename after it was written; a reader checks every file's
digest and whose it is, so an entry that is damaged or not the user's own is a miss and is removed.
Nothing in here is needed: clearing it costs time only, and where it cannot be used a run goes on
without it, in a folder that ends with the run.

Several processes use one store at a time. A run holds a shared lock on each entry that it works
with; whoever drops entries takes an exclusive one first, and moves the entry aside by one rename.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from trtbuild import store_entry
from trtbuild.artifacts import to_json
from trtbuild.cache_folder import DIRECTORY, default_root, doubt, is_ours, size_limit
from trtbuild.errors import StoreError
from trtbuild.folder_lock import alone, shared
from trtbuild.store_entry import ENTRY, in_directory

T = TypeVar("T")
_PARTIAL = "partial"  # the folder of entries being written, and of those being dropped
_TRIES = 100  # to publish what others publish and drop at the same time
_STALE_S = 3600.0  # what nobody has held in there for so long was left by a killed run
_MAKE_ROOM = f"make room there, or name another folder with {DIRECTORY}"
_ANOTHER = f"name a folder with {DIRECTORY}"
_log = logging.getLogger("trtbuild")


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


class Store:
    """See the file's docstring. Threads may share one; `with` holds the entries that it gives."""

    def __init__(self, root: Path | None = None, spare: Path | None = None) -> None:
        """`root` None: the user's cache. `spare`: a folder to go on in where that is of no use.

        Raises `UsageError` where $TRTBUILD_CACHE_SIZE is no size.
        """
        self._named = root or default_root()
        self._spare = spare
        self._limit = size_limit()
        self._without = False  # the spare folder is used
        self._staging: Path | None = None
        self._held: list[int] | None = None  # descriptors of folders, with locks
        self._deciding = threading.Lock()

    def __enter__(self) -> Store:
        self._held = []
        return self

    def __exit__(self, *_: object) -> None:
        held, self._held = self._held or [], None
        for descriptor in held:
            os.close(descriptor)

    @property
    def root(self) -> Path:
        """The folder that is used. Raises `StoreError` for a user who has none."""
        if self._without and self._spare is not None:
            return self._spare
        if self._named is None:
            raise StoreError("there is no home folder to keep a cache in", _ANOTHER)
        return self._named

    def folder(self) -> Path:
        """The folder that is used, after it was found out which can be. Raises `StoreError`."""
        self._decide()
        return self.root

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """While this lasts, what this object's entries are made in: a folder that no other run
        writes to, so that a worker may be let into it alone. Raises `OSError`.
        """
        partial = self._folder(self.folder() / _PARTIAL)
        with tempfile.TemporaryDirectory(dir=partial, ignore_cleanup_errors=True) as folder:
            self._staging = Path(folder)
            lock = shared(self._staging)
            try:
                yield self._staging
            finally:
                self._staging = None
                if lock is not None:
                    os.close(lock)

    def cached(
        self, kind: str, key: str | None, type_: type[T], make: Callable[[Path], T]
    ) -> tuple[T, bool]:
        """The artifact under `key`, and whether it was there already.

        `make(directory)` makes it when it is not, with all its files right in `directory`; the
        artifact's `directory` field is set to the entry's folder. With a key of None (a source
        that is code, so nothing tells whether it changed) it is always made anew and lies under
        the digest of its content. Raises `StoreError` where neither the folder nor a spare one
        can be used.
        """
        self._decide()
        if key is not None and (found := self._get(kind, key, type_)) is not None:
            return found, True
        before = self.root
        try:
            return self._made(kind, key, type_, make), False
        except OSError as error:
            problem = f"it cannot be written: {error.strerror or error}"
            if before == self._spare:
                raise StoreError(f"the folder '{before}': {problem}", _MAKE_ROOM) from None
            self._go_without(problem, _MAKE_ROOM)
        return self.cached(kind, key, type_, make)

    def _decide(self) -> None:
        """Before each use: the user's own folder, or the spare one."""
        if self._without:
            return
        if self._named is None:
            self._go_without("there is no home folder", _ANOTHER)
            return
        problem, hint = doubt(self._named)
        if problem:
            self._go_without(problem, hint)

    def _go_without(self, problem: str, hint: str) -> None:
        """Use the spare folder from now on, and say so once. Raises `StoreError` without one."""
        named = f"the cache '{self._named}'" if self._named else "a cache"
        if self._spare is None:
            raise StoreError(f"{named} cannot be used: {problem}", hint)
        with self._deciding:
            if not self._without:
                _log.warning("%s is not used: %s\n  hint: %s", named, problem, hint)
            self._without, self._staging = True, None

    def _made(self, kind: str, key: str | None, type_: type[T], make: Callable[[Path], T]) -> T:
        with self._partial() as partial:
            value = make(partial)
            files = store_entry.write(partial, value)
            # Without files the value is the content: two reports of code are two entries.
            content = files or to_json(value).decode()
            place = self.root / kind / (key or key_of(content))
            for _ in range(_TRIES):
                if self._publish(partial, place):
                    self._evict()  # while the new entry is held
                    return in_directory(value, place)
                # Another process was faster; what it wrote may be dropped by now, or damaged.
                if (found := self._get(kind, place.name, type_, wait=True)) is not None:
                    return found
            raise FileExistsError(errno.EEXIST, f"'{place}' cannot be taken away")

    def _get(self, kind: str, key: str, type_: type[T], *, wait: bool = False) -> T | None:
        folder = self.root / kind / key
        lock = shared(folder, wait=wait)
        if lock is None:
            return None
        try:
            value = store_entry.read(folder, type_)
        except store_entry.NOT_BELIEVED:
            os.close(lock)
            self._drop(folder)
            return None
        self._hold(lock)
        with contextlib.suppress(OSError):
            os.utime(folder)  # what was used longest ago is dropped first
        return in_directory(value, folder)

    def _hold(self, lock: int) -> None:
        if self._held is None:
            os.close(lock)
        else:
            self._held.append(lock)

    @contextlib.contextmanager
    def _partial(self) -> Iterator[Path]:
        folder = self._staging or self._folder(self.root / _PARTIAL)
        partial = Path(tempfile.mkdtemp(dir=folder))
        lock = shared(partial)
        try:
            yield partial
        finally:
            if lock is not None:
                self._hold(lock)  # it stays the entry's where that was published
            shutil.rmtree(partial, ignore_errors=True)

    def _folder(self, path: Path) -> Path:
        """A folder right in the store's, to which nobody else can write; made anew where one can.

        Whoever can write there can give an entry another's name.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        if not is_ours(path.lstat()):
            shutil.rmtree(path)
            path.mkdir(mode=0o700)
        return path

    def _publish(self, partial: Path, place: Path) -> bool:
        """Whether `partial` became the entry; False where there is one, or was just now."""
        self._folder(place.parent)
        try:
            partial.rename(place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT):
                raise
            return False
        return True

    def entries(self) -> list[Entry]:
        """Every entry, the one used longest ago first."""
        found = []
        for record in self.root.glob(f"*/*/{ENTRY}"):
            folder = record.parent
            if folder.parent.name == _PARTIAL:
                continue
            with contextlib.suppress(OSError):
                size = sum(path.stat().st_size for path in folder.iterdir())
                used = folder.stat().st_mtime
                found.append(Entry(folder.parent.name, folder.name, size, used))
        return sorted(found, key=lambda entry: entry.used)

    def prune(self, keep_bytes: int | None = None, keep_days: float | None = None) -> list[Entry]:
        """Drop entries unused for `keep_days`, then the oldest until `keep_bytes` are left.

        What a run works with stays.
        """
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries)
        dropped = []
        for entry in entries:
            old = keep_days is not None and entry.used < time.time() - keep_days * 86400
            large = keep_bytes is not None and total > keep_bytes
            if (old or large) and self._drop(self.root / entry.kind / entry.key):
                total -= entry.size_bytes
                dropped.append(entry)
        return dropped

    def clear(self) -> list[Entry]:
        """Drop everything that no run works with, also what a killed run left half-written."""
        dropped = self.prune(keep_bytes=-1)
        self._sweep(0.0)
        left = {entry.kind for entry in self.entries()}
        for child in self.root.iterdir() if self.root.is_dir() else ():
            if child.name == _PARTIAL:
                with contextlib.suppress(OSError):  # runs write in there
                    child.rmdir()
            elif child.name not in left:
                shutil.rmtree(child, ignore_errors=True)
        return dropped

    def _evict(self) -> None:
        """Keep to the limit of size, as far as no run works with what is there."""
        if self._limit is None or self._without:
            return
        self._sweep(_STALE_S)
        self.prune(keep_bytes=self._limit)

    def _sweep(self, seconds: float) -> None:
        """Remove what killed runs left half-written or half-dropped."""
        folder = self.root / _PARTIAL
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime <= time.time() - seconds:
                    with alone(path) as is_alone:
                        if is_alone:
                            shutil.rmtree(path, ignore_errors=True)

    def _drop(self, folder: Path) -> bool:
        """Take an entry away, whole by one rename; False where a run works with it."""
        try:
            with alone(folder) as is_alone:
                if not is_alone:
                    return False
                aside = Path(tempfile.mkdtemp(dir=self._folder(self.root / _PARTIAL)))
                folder.rename(aside)  # in the place of an empty folder
        except OSError:
            return False
        shutil.rmtree(aside, ignore_errors=True)
        return True
