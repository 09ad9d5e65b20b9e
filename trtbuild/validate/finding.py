"""A finding: what is wrong, where, why it matters and what to write instead."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

FieldPath = tuple[str | int, ...]  # ("input", 0, "dims", 2); a map's entry by its number


class Severity(enum.IntEnum):
    """How bad it is; the order is that of `--min-severity`."""

    INFO = 1  # style, and what auto-complete will fill in
    WARNING = 2  # it loads, then fails or surprises
    ERROR = 3  # the server refuses to load it, or never answers

    def __str__(self) -> str:
        return self.name.lower()


class Edit(msgspec.Struct, frozen=True):
    """Replace `text[start:end]` of the config file (character offsets) by `new`."""

    start: int
    end: int
    new: str


class MakeFolder(msgspec.Struct, frozen=True):
    """Create an empty folder: the version folder of an ensemble."""

    path: Path


Fix = tuple[Edit | MakeFolder, ...]  # all of it is one repair; empty: there is no one right answer


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule yields; the runner adds what the rule need not know (second half)."""

    message: str  # what was given and what was possible
    at: FieldPath = ()  # the field at fault; (): the whole file
    hint: str = ""  # the next step
    file: Path | None = None  # None: the model's config file
    offset: int | None = None  # of the place in the text, where it is no field
    line: int = 0  # 1-based; 0: the whole file
    column: int = 0  # 1-based, in characters
    severity: Severity | None = None  # None: the rule's own
    fix: Fix = ()

    code: str = ""
    name: str = ""
    model: str = ""
    end_column: int = 0  # exclusive, on the same line; 0: unknown
    source: str = ""  # the line of text it is about

    @property
    def level(self) -> Severity:
        """The severity, once the runner has filled it in."""
        assert self.severity is not None
        return self.severity
