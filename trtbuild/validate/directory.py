"""A model's folder as Triton's core lists it: which versions there are and which are loaded.

Source: Triton core, model_lifecycle.cc (VersionsToLoad) and filesystem/implementations/local.h
(GetDirectorySubdirs); checked on a running 2.51.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config

# Folders of a model that are never versions (Triton core, constants.h).
RESERVED = frozenset({"warmup", "initial_state", "configs"})
_STOLL = re.compile(r"[ \t\n\v\f\r]*([+-]?\d+)", re.ASCII)
INT64_MAX = 2**63 - 1


def below(root: Path, name: str) -> Path:
    """`root / name` for a name that a config gives: a NUL, which no file has, finds nothing."""
    return root / name.replace("\0", "\ufffd")


def lies_in(path: Path, root: Path) -> bool:
    """Whether `path`, links followed, lies in `root`; a link in circles is where it is."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


class Directory:
    """The sub-folders and files of one folder; reading it never fails, it lists what it can."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders: list[str] = []
        self.files: list[str] = []
        self.others: list[str] = []  # broken links, sockets, fifos, devices
        self.problem = ""
        self._children: dict[str, Directory] = {}
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._sort(entry)
        except OSError as error:
            self.problem = error.strerror or str(error)

    def _sort(self, entry: os.DirEntry[str]) -> None:
        try:
            kind = (
                self.folders if entry.is_dir() else self.files if entry.is_file() else self.others
            )
        except OSError:  # a symlink loop
            kind = self.others
        kind.append(entry.name)

    def child(self, name: str) -> Directory:
        """A sub-folder, listed once."""
        found = self._children.get(name)
        if found is None:
            found = self._children[name] = Directory(self.path / name)
        return found

    def has_entry(self, name: str) -> bool:
        """Whether anything called `name` is in here."""
        return name in self.files or name in self.folders or name in self.others

    def has_file(self, name: str) -> bool:
        """Whether `name` (which may name a path) is a readable kind of file in here."""
        return name in self.files or ("/" in name and below(self.path, name).is_file())

    def has(self, name: str) -> bool:
        """Whether a file or a folder `name` is in here."""
        return (
            name in self.files
            or name in self.folders
            or ("/" in name and below(self.path, name).exists())
        )

    @cached_property
    def versions(self) -> dict[str, int]:
        """Folder name -> the version Triton reads in it; those it ignores are left out."""
        found = {name: version_from_name(name) for name in sorted(self.folders)}
        return {name: version for name, version in found.items() if version is not None}


def version_from_name(name: str) -> int | None:
    """The version that Triton takes a folder for, None where it ignores the folder.

    It reads as C's `stoll` does: leading space, a sign, digits; what follows is not looked at,
    so `1abc` is 1. A number over 63 bits is returned as it is: it ends the server.
    """
    if name in RESERVED or (len(name) > 1 and name.startswith("0")):
        return None
    match = _STOLL.match(name)
    return int(match[1]) if match else None


def overflows(version: int) -> bool:
    """Whether `stoll` cannot hold the number: Triton dies of the exception."""
    return not -(2**63) <= version <= INT64_MAX


def selected_versions(config: Config, existing: set[int]) -> set[int]:
    """What the version policy picks; without one, the highest number alone."""
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice") if config.HasField("version_policy") else None
    if choice == "all":
        return existing
    if choice == "specific":
        return existing & set(policy.specific.versions)
    count = policy.latest.num_versions if choice == "latest" else 1
    return set(sorted(existing, reverse=True)[:count])


def leading_number(text: str) -> int | None:
    """The number `text` begins with, as C's `stoi` reads it; None where it begins with none."""
    match = _STOLL.match(text)
    return int(match[1]) if match else None
