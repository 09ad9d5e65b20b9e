"""One entry of the store: the files of an artifact and `entry.json`, the artifact itself.

Written by this process alone, whoever made the files; read only where everything in it is the
user's own, unchanged and named in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trtbuild.artifacts import from_json, to_json
from trtbuild.cache_folder import OTHERS_WRITE, is_ours
from trtbuild.errors import ForeignNameError, StoreError
from trtbuild.foreign import check_name, digest_inside, digest_of, open_inside, read_inside

T = TypeVar("T")
ENTRY = "entry.json"
# What `read` raises for an entry that is damaged, or not to be believed.
NOT_BELIEVED = (OSError, ValueError, ForeignNameError, msgspec.MsgspecError)
_MOST_BYTES = 64 << 20  # a report on thousands of ops has some megabytes


class _Record(msgspec.Struct, frozen=True):
    value: msgspec.Raw
    files: dict[str, str]  # name -> SHA-256


def write(folder: Path, value: Any) -> dict[str, str]:
    """Make an entry of what lies in `folder`: the digest of each of its files.

    Raises `StoreError` for anything there but plain files, and for a `value` that names others,
    `OSError` where it cannot be written.
    """
    files = _sealed(folder)
    try:
        _check_files(value, files)
    except ValueError as error:
        raise StoreError(f"a worker's answer is not believed: {error}") from None
    with (folder / ENTRY).open("xb") as file:  # where a link lies, an error
        file.write(msgspec.json.encode(_Record(msgspec.Raw(to_json(value)), files)))
    (folder / ENTRY).chmod(0o600)
    return files


def _sealed(folder: Path) -> dict[str, str]:
    """The digest of every file that was made in `folder`, to which nobody else can write now.

    A worker may have run a model of somebody else's: what it leaves are plain files. Raises
    `StoreError` for anything else.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        try:
            if path.is_symlink():
                raise ForeignNameError(f"'{path.name}' is a link")
            with open_inside(folder, path.name) as file:
                os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & ~OTHERS_WRITE)
                files[path.name] = digest_of(file)
        except (OSError, ForeignNameError) as error:
            raise StoreError(f"a worker left what is no plain file: {error}") from None
    return files


def read(folder: Path, type_: type[T]) -> T:
    """The artifact of the entry `folder`. Raises `NOT_BELIEVED`."""
    for place in (folder.parent, folder, *folder.iterdir()):
        if not is_ours(place.lstat()):
            raise ValueError(f"{place} is not the user's own")
    record = from_json(read_inside(folder, ENTRY, _MOST_BYTES), _Record)
    for name, digest in record.files.items():
        check_name(name, plain=True)
        if digest_inside(folder, name) != digest:
            raise ValueError(f"{name} was changed")
    value = from_json(bytes(record.value), type_)
    _check_files(value, record.files)
    return value


def _check_files(value: Any, files: dict[str, str]) -> None:
    """Raise `ValueError` where `value` names other files than its entry has, or another digest."""
    if not isinstance(value, msgspec.Struct):
        return
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    if "directory" in fields:
        names = [*fields.get("files", ()), *(fields[name] for name in ("file",) if name in fields)]
        names += filter(None, (fields.get("layers_file"),))
        if not files.keys() >= set(names):
            raise ValueError("it names files that are not in its entry")
        if "file" in fields and fields.get("digest") != files[fields["file"]]:
            raise ValueError("it has another digest than its file")
    for field in fields.values():
        _check_files(field, files)


def in_directory(value: T, folder: Path) -> T:
    """`value`, and every struct right inside it, with its files in `folder`."""
    if not isinstance(value, msgspec.Struct):
        return value
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if name == "directory":
            changes[name] = folder
        elif isinstance(field, msgspec.Struct):
            changes[name] = in_directory(field, folder)
    return msgspec.structs.replace(value, **changes) if changes else value
