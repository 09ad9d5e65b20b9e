"""Zip files of models: how much they say that they unpack to, before anything is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from trtbuild.errors import SourceError

_SMALL_BYTES = 256 << 20  # what a member may unpack to, however well it is packed
# Weights hardly shrink and code does so tenfold; deflate can do a thousandfold, which is a bomb.
_MOST_TIMES = 20


def check_unpacked(location: str | Path, what: str) -> None:
    """Raise `SourceError` for an archive that is damaged, or a member of which would unpack to
    over 256 MiB and over twenty times its packed size.
    """
    try:
        with zipfile.ZipFile(location) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{what} is damaged: {error}", "copy or download it again") from None
    for member in members:
        if member.file_size > max(_SMALL_BYTES, _MOST_TIMES * member.compress_size):
            raise SourceError(
                f"{what} is not unpacked: its '{member.filename}' has {member.compress_size} bytes "
                f"and says that it unpacks to {member.file_size}",
                "save the model again, without compression",
            )
