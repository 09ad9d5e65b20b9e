"""No version of the model would be loaded.

What: the version policy selects none of the version folders, or there is none.
Why: Triton refuses the model: "at least one version must be available under the version
policy". An ensemble needs a version folder too, though nothing lies in it.

Example:
    -- demo/config.pbtxt --
    backend: "python"

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, model_lifecycle.cc, VersionsToLoad.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.directory import Directory
from trtbuild.validate.finding import Finding, MakeFolder, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.layout import latest_zero

NAME = "no-version-to-load"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding where `model.versions` is empty."""
    directory = model.directory
    if directory is None or model.versions or any(latest_zero.check(model)):
        return
    if not directory.versions:
        ensemble = model.is_ensemble and not directory.problem
        yield Finding(
            message=f"no version folder in {directory.path.name}/; it has {_folders(directory)}",
            file=directory.path,
            hint="create the folder 1/" + ("" if ensemble else " and put the model file in it"),
            fix=(MakeFolder(directory.path / "1"),) if ensemble else (),
        )
        return
    there = ", ".join(str(version) for version in sorted(directory.versions.values()))
    yield Finding(
        message=f"the version policy selects none of the versions that are there: {there}",
        at=("version_policy",),
        hint="name one of them under version_policy.specific, or leave version_policy out",
    )


def _folders(directory: Directory) -> str:
    names = [f"{name}/" for name in sorted(directory.folders)]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "no folders"
