"""A model file outside of its version's folder.

What: `default_model_filename` or a value of `cc_model_filenames` is an absolute path, or one with
`..`, or names a link that leads out of the repository.
Why: the server would open a file that is none of the model's, with its own rights. `trtbuild
serve` refuses the model; a stock Triton opens the file.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    default_model_filename: "../../other/1/model.py"
    -- demo/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    default_model_filename: "other.py"
    -- demo/1/other.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Source: trtbuild, foreign.py; Triton core, filesystem/api.cc (JoinPath) takes any path.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import check_name, path_inside
from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.model import Model

NAME = "model-file-outside"
SEVERITY = Severity.ERROR
FIRM = True


def check(model: Model) -> Iterator[Finding]:
    """One finding a field."""
    if model.is_ensemble:
        return
    for at, name in _names(model):
        try:
            check_name(name)
            for folder in model.version_folders.values():
                path_inside(folder.path, name, folder.fence)
        except ForeignNameError as error:
            yield Finding(
                message=error.message, at=at, hint="put the file into the version's folder"
            )


def _names(model: Model) -> Iterator[tuple[FieldPath, str]]:
    if name := model.config.default_model_filename:
        yield ("default_model_filename",), name
    for key, name in sorted(model.config.cc_model_filenames.items()):
        if name:
            yield ("cc_model_filenames", key, "value"), name
