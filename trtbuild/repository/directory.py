"""A model's folder as Triton's core lists it.

Source: Triton core, filesystem/implementations/local.h (GetDirectorySubdirs); checked on a
running 2.51.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from trtbuild.repository.versions import version_from_name


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

    def foresee(self, name: str) -> None:
        """List an empty folder that is still to be made."""
        if name not in self.folders:
            self.folders.append(name)
            made = self._children[name] = Directory(self.path / name)
            made.problem = ""

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
