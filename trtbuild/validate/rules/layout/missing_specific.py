"""The version policy names a version that is not there.

What: `specific` lists a version without a folder, beside others that have one.
Why: the server logs an error and serves the rest; clients of that version get 'unknown model'.

Example:
    backend: "python"
    version_policy: { specific { versions: [1, 7] } }

Instead:

    backend: "python"
    version_policy: { specific { versions: [1] } }

Source: Triton core, model_lifecycle.cc, VersionsToLoad.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "missing-specific-version"
SEVERITY = Severity.WARNING
NEEDS = "version_policy"


def check(model: Model) -> Iterator[Finding]:
    """One finding a version; none where no version is left, which is an error of its own."""
    if not model.versions or model.directory is None:
        return
    there = set(model.directory.versions.values())
    for index, version in enumerate(model.config.version_policy.specific.versions):
        if version not in there:
            have = ", ".join(str(number) for number in sorted(there))
            yield Finding(
                message=f"version {version} is asked for and not there; there are {have}",
                at=("version_policy", "specific", "versions", index),
                hint=f"add the folder {version}/ or take {version} out of the list",
            )
