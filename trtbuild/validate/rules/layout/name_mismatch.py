"""The model's name is not its folder's.

What: `name` is set and differs from the name of the model's folder.
Why: Triton refuses the model: "directory name must equal model name".

Example:
    name: "resnet"
    backend: "python"

Instead:

    name: "demo"
    backend: "python"

Source: Triton core, model_repository_manager.cc, InitializeModelInfo.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model

NAME = "name-is-not-the-folder"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    name = model.config.name
    if model.directory is not None and name and name != model.name:
        odd = model.name != model.name.strip()  # the folder is what is wrong then: L013
        yield Finding(
            message=f"the model is named '{name}' and its folder '{model.name}'",
            at=("name",),
            hint=f"rename the folder to '{model.name.strip()}'"
            if odd
            else f"write name: {quote(model.name)}, or leave name out",
            fix=() if odd else replace_value(model, ("name",), quote(model.name)),
        )
