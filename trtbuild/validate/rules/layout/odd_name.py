"""A model name that load requests refuse.

What: the folder's name has spaces at its ends, or is only spaces.
Why: explicit load requests trim the name, so such a model can never be loaded by name.

Example:
    -- demo /config.pbtxt --
    backend: "python"
    -- demo /1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, model_repository_manager.cc, ValidateModelName.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "name-with-outer-spaces"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.directory is not None and model.name != model.name.strip():
        yield Finding(
            message=f"the folder's name '{model.name}' begins or ends with a space",
            file=model.directory.path,
            hint=f"rename it to '{model.name.strip() or 'model'}'",
        )
