"""`serve --check`: load every model and say what would be served, where and why; open no port."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trtbuild.errors import RepositoryError
from trtserve.errors import ServeError
from trtserve.loading import candidate, prepare
from trtserve.models import model_directories
from trtserve.settings import Settings


class Row(NamedTuple):
    """What became of one version of a model, or of the model where it has none."""

    name: str
    version: str
    runs_on: str
    note: str  # why it would run otherwise than its config says
    problem: str  # why it would not be served

    def __str__(self) -> str:
        of = f"{self.name} version {self.version}" if self.version else self.name
        if self.problem:
            return f"error: {of}: {self.problem}"
        return f"ok: {of}: {self.runs_on}" + (f"\n  {self.note}" if self.note else "")


def check(settings: Settings) -> list[Row]:
    """One row for each version that would be served, and for each that would not."""
    for repository in settings.repositories:
        if not repository.is_dir():
            raise RepositoryError(f"the model repository {repository} is no directory")
    directories, problems = model_directories(settings.repositories)
    rows = [Row(name, "", "", "", problem) for name, problem in problems.items()]
    for name, directory in sorted(directories.items()):
        rows += _check_model(name, directory, settings)
    return rows


def _check_model(name: str, directory: Path, settings: Settings) -> list[Row]:
    try:
        found = candidate(directory, settings)
    except ServeError as error:
        return [Row(name, "", "", "", error.message)]
    rows = []
    for version in found.versions:
        try:
            prepared = prepare(found, version, settings)
        except ServeError as error:
            rows.append(Row(name, str(version), "", "", error.message))
            continue
        rows.append(Row(name, str(version), prepared.loaded.runs_on, prepared.note, ""))
        prepared.loaded.unload()
    return rows
