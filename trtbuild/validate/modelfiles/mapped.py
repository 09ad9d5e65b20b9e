"""Files of protobuf messages, mapped and not read: what is not looked at is not loaded."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trtbuild.foreign import open_file
from trtbuild.protowire import Buffer, WireError
from trtbuild.validate.modelfiles.interface import DamagedFileError


@contextmanager
def mapped(path: Path, what: str) -> Iterator[Buffer]:
    """The bytes of the file at `path`; `what` it should be is for the message.

    Raises `DamagedFileError` for an empty one, and where its fields are read and make no sense.
    """
    if path.stat().st_size == 0:
        raise DamagedFileError("the file is empty")
    try:
        with (
            open_file(path) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer,
        ):
            yield buffer
    except WireError as error:
        raise DamagedFileError(f"it is no {what} or was cut off: {error}") from None
