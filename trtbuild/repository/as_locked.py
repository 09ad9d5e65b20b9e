"""`--require-lock`: is a model exactly what its locks say, to the last file?

What somebody swapped, changed, added or took away is told. Who can write the lock as well can make
it say what they like: it binds the files to the lock, not the lock to a person.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from trtbuild.errors import ForeignNameError, RepositoryError
from trtbuild.foreign import Fence, digest_inside
from trtbuild.repository.layout import CONFIG, LOCK, versions_of
from trtbuild.repository.lock import Lock, LockedFile, read_lock

HINT = (
    "copy it again from where it was built, convert it again with --replace, or leave "
    "--require-lock out to take it as it is"
)


def departures(model: Path, versions: Iterable[int], fence: Fence | None = None) -> Iterator[str]:
    """What of the model in the folder `model` is not as locked, in words; nothing where all is.

    `versions`: those that are to be served. `fence`: where links may lead; None: not out of the
    model. Its config must be one that a lock of its versions knows, and all that lies beside it be
    locked: labels by the lock that they came with.
    """
    locks: dict[int, Lock] = {}
    for number, folder in versions_of(model).items():
        try:
            lock = read_lock(folder, fence)
        except RepositoryError as error:
            if number in versions:
                yield error.message
            continue
        if lock is not None:
            locks[number] = lock
        elif number in versions:
            yield f"{folder.name}/ has no {LOCK}"
    for number in sorted(locks.keys() & set(versions)):
        yield from _of_version(model, number, locks[number], fence)
    yield from _of_model(model, locks.values(), fence)


def _of_version(model: Path, number: int, lock: Lock, fence: Fence | None) -> Iterator[str]:
    folder = model / str(number)
    if (lock.name, lock.version) != (model.name, number):
        yield f"{number}/ has the lock of '{lock.name}' version {lock.version}"
    for name, locked in sorted(lock.files.items()):
        yield from _of_file(folder, name, (locked,), fence)
    for name in _all_below(folder):
        if name != LOCK and name not in lock.files:
            yield f"{number}/{name} is not in the lock"


def _of_model(model: Path, locks: Iterable[Lock], fence: Fence | None) -> Iterator[str]:
    """What lies in the model's folder itself is what any of its versions was written with."""
    known: dict[str, list[LockedFile | str]] = {CONFIG: [lock.config_digest for lock in locks]}
    for lock in locks:
        for name, locked in lock.model_files.items():
            known.setdefault(name, []).append(locked)
    for name, expected in sorted(known.items()):
        yield from _of_file(model, name, expected, fence)
    numbers = {str(number) for number in versions_of(model)}
    for name in _all_below(model, without=numbers):
        if name not in known:
            yield f"{name} is in no lock of the model"


def _of_file(
    folder: Path, name: str, expected: Iterable[LockedFile | str], fence: Fence | None
) -> Iterator[str]:
    shown = f"{folder.name}/{name}"
    digests = {each if isinstance(each, str) else each.digest for each in expected}
    try:
        if digest_inside(folder, name, fence) not in digests:
            yield f"{shown} is not the file that was locked: its digest differs"
    except FileNotFoundError:
        yield f"{shown}, which was locked, is not there"
    except OSError as error:
        yield f"{shown} cannot be read: {error.strerror}"
    except ForeignNameError as error:
        yield error.message


def _all_below(folder: Path, without: Iterable[str] = ()) -> Iterator[str]:
    """Every entry that is no folder, by its path below `folder`; links are entries, not followed.

    `without`: folders of `folder` itself that are not looked into.
    """
    for place, folders, files in os.walk(folder):
        at = Path(place).relative_to(folder)
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from sorted(str(at / name) for name in (*files, *links))
        if at == Path():
            folders[:] = [name for name in folders if name not in set(without)]
