"""What a validation is asked to judge by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from trtbuild.capability import Capability
from trtbuild.validate.finding import Severity
from trtbuild.validate.python_model import SERVER_PYTHON
from trtbuild.validate.releases import Release

SERVERS = ("triton", "trtbuild")


class Draft(msgspec.Struct, frozen=True):
    """What the files would be after repairs that are not written."""

    texts: Mapping[Path, str] = msgspec.field(default_factory=dict)  # config file -> its text
    folders: frozenset[Path] = frozenset()  # that would be made


class Settings(msgspec.Struct, frozen=True):
    """The options of `trtbuild repo validate` that rules and the runner look at."""

    strict_config: bool = False  # --disable-auto-complete-config: nothing is filled in
    gpus: tuple[Capability, ...] = ()  # the fleet; (): unknown
    server: str = "triton"  # one of SERVERS
    select: tuple[str, ...] = ()  # codes, their beginnings, or names; (): all
    ignore: tuple[str, ...] = ()
    triton: Release | None = None  # the server's release; None: any
    server_python: tuple[int, int] = SERVER_PYTHON  # of the server's Python backend
    min_severity: Severity = Severity.ERROR
    follow_links: bool = False  # also those that lead out of the repository
    require_lock: bool = False  # what is not exactly as its lock says is an error
    draft: Draft = Draft()
    digests: bool = True  # read every locked file whole to compare its digest

    def runs_before(self, name: str) -> bool:
        """Whether the server's release is known, and older than the release `name`."""
        return self.triton is not None and self.triton.name < name

    def runs_from(self, name: str) -> bool:
        """Whether the server's release is known, and is the release `name` or newer."""
        return self.triton is not None and self.triton.name >= name
