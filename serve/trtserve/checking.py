"""`serve --check`: load all that would be served and say where it runs and why; open no port."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

import msgspec

from trtbuild import device as devices
from trtbuild.printable import printable
from trtserve.models import Models
from trtserve.placement import CPU
from trtserve.repositories import check_repositories
from trtserve.settings import Settings
from trtserve.version import Version


class Row(NamedTuple):
    """What became of one version of a model, or of the model where it has none."""

    name: str
    version: str
    runs_on: str
    why: str  # it runs there, or otherwise than its config says
    problem: str  # why it would not be served

    def __str__(self) -> str:
        """One line or two, of which foreign words are no part but text."""
        name, version, runs_on, why, problem = map(printable, self)
        of = f"{name} version {version}" if version else name
        return f"error: {of}: {problem}" if problem else f"ok: {of}: {runs_on}\n  {why}"


def check(settings: Settings) -> list[Row]:
    """One row for each version that would be served, and for each that would not.

    Warm-up runs too. With explicit control and no model to load at start, all are loaded.
    """
    check_repositories(settings.repositories)
    logging.getLogger("trtserve").addHandler(logging.NullHandler())  # the rows say it all
    if settings.control == "explicit" and not settings.load_models:
        settings = msgspec.structs.replace(settings, control="none")
    return asyncio.run(_rows(settings))


async def _rows(settings: Settings) -> list[Row]:
    models = Models(settings, asyncio.get_running_loop())
    failures = await models.start()
    rows = [
        Row(each.name, each.number, each.runs_on, _why(each, settings), "")
        for each in models.loaded()
    ]
    for name, versions, reason in failures:
        rows += [Row(name, str(version), "", "", reason) for version in versions or ("",)]
    await models.close()
    return sorted(rows)


def _why(version: Version, settings: Settings) -> str:
    """What put it on its device."""
    if version.note:
        return version.note
    if settings.device != "auto":
        return f"as --device {settings.device} says"
    if not version.runs_on.endswith(f" {CPU}"):
        return "as its instance groups and the GPUs of this machine say"
    found = devices.gpus()
    if not found.gpus:
        problem = f": {found.problem}" if found.problem else ""
        return f"this machine has no GPU that can be used{problem}"
    return "its instance groups say KIND_CPU, or its backend has no GPU support installed here"
