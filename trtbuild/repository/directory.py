"""A model's folder as Triton's core lists it.

Source: Triton core, filesystem/implementations/local.h (GetDirectorySubdirs); checked on a
running 2.51.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import ANYWHERE, Fence, path_inside
from trtbuild.repository.versions import version_from_name


class Directory:
    """The sub-folders and files of one folder; reading it never fails, it lists what it can.

    Links that lead out of `fence` are neither, wherever they lead.
    """

    def __init__(self, path: Path, fence: Fence = ANYWHERE) -> None:
        self.path = path
        self.fence = fence
        self.folders: list[str] = []
        self.files: list[str] = []
        self.others: list[str] = []  # broken links, sockets, fifos, devices
        self.links_out: list[str] = []
        self.problem = ""
        self._children: dict[str, Directory] = {}
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._sort(entry)
        except OSError as error:
            self.problem = error.strerror or str(error)

    def _sort(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink() and not self.fence.holds(Path(entry.path)):
            self.links_out.append(entry.name)
            return
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
            found = self._children[name] = Directory(self.path / name, self.fence)
        return found

    def foresee(self, name: str) -> None:
        """List an empty folder that is still to be made."""
        if name not in self.folders:
            self.folders.append(name)
            made = self._children[name] = Directory(self.path / name)
            made.problem = ""

    def has_entry(self, name: str) -> bool:
        """Whether anything called `name` is in here."""
        return any(name in kind for kind in (self.files, self.folders, self.others, self.links_out))

    def inside(self, name: str) -> Path | None:
        """The path of `name`, a config's word for a file; None where it leads out of here."""
        try:
            return path_inside(self.path, name, self.fence)
        except ForeignNameError:
            return None

    def has_file(self, name: str) -> bool:
        """Whether `name` (which may name a path) is a readable kind of file in here."""
        if "/" not in name:
            return name in self.files
        path = self.inside(name)
        return path is not None and path.is_file()

    def has(self, name: str) -> bool:
        """Whether a file or a folder `name` is in here."""
        if "/" not in name:
            return name in self.files or name in self.folders
        path = self.inside(name)
        return path is not None and (path.is_file() or path.is_dir())

    @cached_property
    def versions(self) -> dict[str, int]:
        """Folder name -> the version Triton reads in it; those it ignores are left out."""
        found = {name: version_from_name(name) for name in sorted(self.folders)}
        return {name: version for name, version in found.items() if version is not None}
