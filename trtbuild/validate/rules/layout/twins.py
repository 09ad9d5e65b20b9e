"""Two repositories have a model of the same name.

What: several repositories are given, and a folder of this name is in more than one.
Why: Triton drops the model from both: "not unique across all model repositories"; with
`--model-namespacing=true` it loads both, and requests by the bare name fail.

Example:
    # trtbuild: fixture two repositories
    -- first/demo/config.pbtxt --
    backend: "python"
    -- first/demo/1/model.py --
    -- second/demo/config.pbtxt --
    backend: "python"
    -- second/demo/1/model.py --

Instead:

    # trtbuild: fixture two repositories
    -- first/demo/config.pbtxt --
    backend: "python"
    -- first/demo/1/model.py --
    -- second/other/config.pbtxt --
    backend: "python"
    -- second/other/1/model.py --

Source: Triton core, model_repository_manager.cc, Poll.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "name-in-two-repositories"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding for each of the others."""
    for twin in model.twins:
        yield Finding(
            message=f"'{model.name}' is a model of {twin.parent} too",
            file=model.directory.path if model.directory else None,
            hint="rename one of them, or give only one of the repositories",
        )
