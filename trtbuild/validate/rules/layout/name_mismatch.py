"""The model's name is not its folder's.

What: `name` is set and differs from the name of the model's folder.
Why: Triton refuses the model: "directory name must equal model name". Where another model's config
or Python names this one by its `name`, it is the folder that has to be renamed.

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
from pathlib import Path

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import path_inside
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model
from trtbuild.validate.words import few_of

NAME = "name-is-not-the-folder"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    name = model.config.name
    if model.directory is None or not name or name == model.name:
        return
    odd = model.name != model.name.strip()  # the folder is what is wrong then: L013
    free = _is_free(model.directory.path.parent, name)
    others = model.named_by(name) if free and not odd else ()
    if odd:
        hint = f"rename the folder to '{model.name.strip()}'"
    elif others:
        hint = f"rename the folder to '{name}', as {few_of(list(others))} names it"
    else:
        hint = f"write name: {quote(model.name)}, or leave name out"
    yield Finding(
        message=f"the model is named '{name}' and its folder '{model.name}'",
        at=("name",),
        hint=hint,
        fix=() if odd or others else replace_value(model, ("name",), quote(model.name)),
    )


def _is_free(repository: Path, name: str) -> bool:
    """Whether a model's folder can be renamed to `name`."""
    try:
        return not path_inside(repository, name, plain=True).exists()
    except ForeignNameError:
        return False
