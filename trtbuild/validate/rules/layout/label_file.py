"""A label file that cannot be read.

What: `label_filename` names no file of the model, a folder, or a file outside the model.
Why: Triton refuses the model where the file is missing; a folder ends the server; a path
that leaves the model's folder is refused since 26.02. Labels lie beside `config.pbtxt`, not in
the version folder.

Example:
    backend: "python"
    output { name: "probabilities" data_type: TYPE_FP32 dims: [1000] label_filename: "labels.txt" }

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    output { name: "probabilities" data_type: TYPE_FP32 dims: [2] label_filename: "labels.txt" }
    -- demo/labels.txt --
    cat
    dog
    -- demo/1/model.py --

Source: Triton core, model.cc (SetModelConfig) and label_provider.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import path_inside
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.words import one_of

NAME = "unreadable-labels"
SEVERITY = Severity.ERROR
_INSIDE_SINCE = "26.02"
RELEASES = "A file outside the model's folder is read before 26.02: a warning there"


def check(model: Model) -> Iterator[Finding]:
    """One finding an output."""
    if model.directory is None:
        return
    root = model.directory.path
    for index, output in enumerate(model.config.output):
        name = output.label_filename
        if not name:
            continue
        at = ("output", index, "label_filename")
        try:
            path = path_inside(root, name)
        except ForeignNameError:
            yield Finding(
                message=f"the label file '{name}' lies outside the model's folder",
                at=at,
                hint="copy it beside config.pbtxt",
                severity=Severity.WARNING
                if model.settings.runs_before(_INSIDE_SINCE) and path.is_file()
                else None,
            )
            continue
        if path.is_dir():
            yield Finding(
                message=f"the label file '{name}' is a folder, which ends the server",
                at=at,
                hint="name a text file with one label a line",
            )
        elif not path.is_file():
            texts = [file for file in model.directory.files if file.endswith(".txt")]
            yield Finding(
                message=f"there is no label file '{name}' in {model.name}/; "
                f"text files there: {one_of(texts)}",
                at=at,
                hint="labels lie beside config.pbtxt, not in the version folder",
            )
