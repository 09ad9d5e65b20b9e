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

import re
from collections.abc import Iterator

from trtbuild.modelconfig.complete import DEFAULT_FILES, TENSORFLOW
from trtbuild.repository.directory import Directory
from trtbuild.validate.finding import Finding, MakeFolder, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.layout import latest_zero

NAME = "no-version-to-load"
SEVERITY = Severity.ERROR
_MODEL_FILES = frozenset({*DEFAULT_FILES.values(), *TENSORFLOW.values(), "model.pt2"})


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
            hint="create the folder 1/" if ensemble else _hint(directory),
            fix=(MakeFolder(directory.path / "1"),) if ensemble else (),
        )
        return
    there = ", ".join(str(version) for version in sorted(directory.versions.values()))
    yield Finding(
        message=f"the version policy selects none of the versions that are there: {there}",
        at=("version_policy",),
        hint="name one of them under version_policy.specific, or leave version_policy out",
    )


def _hint(directory: Directory) -> str:
    """What the one folder or file that is there was probably meant to be."""
    files = sorted({*directory.files, *directory.folders} & _MODEL_FILES)
    if files:
        return f"create the folder 1/ and move {files[0]} into it"
    numbered = [name for name in directory.folders if len(re.findall(r"\d+", name)) == 1]
    if len(numbered) == 1 and len(directory.folders) == 1:
        number = int(re.findall(r"\d+", numbered[0])[0])
        return f"a version's folder is called by its number: rename {numbered[0]}/ to {number}/"
    return "create the folder 1/ and put the model file in it"


def _folders(directory: Directory) -> str:
    names = [f"{name}/" for name in sorted(directory.folders)]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "no folders"
