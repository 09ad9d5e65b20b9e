"""Zip files that may be anything: opened without believing what they say of themselves.

Field offsets: APPNOTE.TXT of PKWARE, 4.3.14 (zip64 end of central directory) and 4.3.16.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trtbuild.foreign import open_file
from trtbuild.validate.modelfiles.interface import DamagedFileError

_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_TAIL_BYTES = (64 << 10) + 22 + 76  # the longest comment, both ends and zip64's locator
# Of the directory: each entry becomes an object of half a kilobyte, so this is some 100 MB.
_MAX_DIRECTORY_BYTES = 16 << 20


@contextmanager
def opened(path: Path, what: str) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`; `what` it should be is for the message.

    Raises `DamagedFileError` for what is no archive, for one that breaks off or whose checksums
    are wrong while it is read, and for a directory of over 16 MiB.
    """
    try:
        with open_file(path) as file:
            if _directory_bytes(file) > _MAX_DIRECTORY_BYTES:
                raise DamagedFileError(f"it is no {what}: it lists too many files")
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise DamagedFileError(f"it is no {what} or was cut off: {error}") from None


def _directory_bytes(file: BinaryIO) -> int:
    """How long the archive says that its directory is; 0 where it does not say it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    found = [
        int.from_bytes(tail[at + offset : at + offset + width], "little")
        for mark, offset, width in ((_END, 12, 4), (_END64, 40, 8))
        if (at := tail.rfind(mark)) >= 0
    ]
    # Without zip64's record the 32 bits of all ones stand for nothing: no directory is that long.
    return min(max((n for n in found if n != 0xFFFFFFFF), default=0), size)
