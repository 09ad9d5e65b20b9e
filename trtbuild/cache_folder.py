"""The folder of the store: where it is, how large it may grow, and whether what lies in it is ours.

An entry is plans and graphs that are used as they are: whoever can write there decides what ends
in the user's repository. Digests do not help, as they lie beside the files. So the folder has to
belong to the user alone.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path

from trtbuild.errors import UsageError

DIRECTORY, SIZE = "TRTBUILD_CACHE_DIR", "TRTBUILD_CACHE_SIZE"
_DEFAULT_SIZE = "50GB"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def default_root() -> Path | None:
    """$TRTBUILD_CACHE_DIR, else trtbuild under $XDG_CACHE_HOME, else ~/.cache/trtbuild.

    None for a user without a home folder.
    """
    if named := os.environ.get(DIRECTORY):
        return Path(named)
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "trtbuild"
    try:
        return Path.home() / ".cache/trtbuild"
    except RuntimeError:  # neither $HOME nor a line for the user among the system's
        return None


def size_limit() -> int | None:
    """The bytes that $TRTBUILD_CACHE_SIZE lets the store keep; None: any number.

    Raises `UsageError` for what is no size.
    """
    text = os.environ.get(SIZE) or _DEFAULT_SIZE
    if text.strip().lower() == "none":
        return None
    try:
        return bytes_from_text(text)
    except UsageError as error:
        raise UsageError(f"{SIZE}: {error.message}", "write for example 10GB, or none") from None


def bytes_from_text(text: str) -> int:
    """`10GB`, `500 MB`, `1000` as bytes (decimal units). Raises `UsageError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text.lower())
    if match is None:
        raise UsageError(f"'{text}' is no size", "write for example 10GB")
    return int(float(match[1]) * _UNITS[match[2]])


def doubt(root: Path) -> tuple[str, str]:
    """Why what lies in `root` is not believed, and what to do; empty where it is, or is not there.

    It has to be a folder of the user's own that nobody else may write to. Of an access control
    list the mode's group bits tell.
    """
    try:
        found = root.stat()
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}", f"name another folder with {DIRECTORY}"
    if not stat.S_ISDIR(found.st_mode):
        return "it is no folder", f"name another one with {DIRECTORY}"
    if found.st_uid != os.geteuid():
        return (
            f"it belongs to {_user(found.st_uid)}, and this is {_user(os.geteuid())}",
            f"run as its owner, or name a folder of your own with {DIRECTORY}",
        )
    if found.st_mode & OTHERS_WRITE:
        return (
            f"others may write there (its mode is {stat.S_IMODE(found.st_mode):o})",
            "if nobody else has, make it your own: "
            f"chmod -R go-w '{root}'; else remove it, or name another folder with {DIRECTORY}",
        )
    return "", ""


def is_ours(found: os.stat_result) -> bool:
    """Whether a file or folder belongs to the user and nobody else may write to it."""
    return found.st_uid == os.geteuid() and not found.st_mode & OTHERS_WRITE


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
