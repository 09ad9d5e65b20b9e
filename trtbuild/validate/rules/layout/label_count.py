"""The label file has not one label for each class.

What: an output of one fixed dim names a label file with more or fewer lines.
Why: the server never compares them; classes without a label come back without one, and a
file with a line missing gives wrong labels to all classes after it.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    output { name: "probabilities" data_type: TYPE_FP32 dims: [3] label_filename: "labels.txt" }
    -- demo/labels.txt --
    cat
    dog
    -- demo/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    output { name: "probabilities" data_type: TYPE_FP32 dims: [2] label_filename: "labels.txt" }
    -- demo/labels.txt --
    cat
    dog
    -- demo/1/model.py --

Source: Triton core, label_provider.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import read_inside
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.lfs import is_pointer_text
from trtbuild.validate.model import Model
from trtbuild.validate.words import elements

NAME = "label-count"
SEVERITY = Severity.WARNING
_MAX_BYTES = 16 << 20  # no label file is larger; a huge one is not counted


def check(model: Model) -> Iterator[Finding]:
    """One finding an output."""
    if model.directory is None:
        return
    for index, output in enumerate(model.config.output):
        classes = elements(output.dims)
        if not output.label_filename or classes < 1:
            continue
        count = _lines(model.directory.path, output.label_filename)
        if count is not None and count != classes:
            yield Finding(
                message=f"output '{output.name}' has {classes} classes and "
                f"'{output.label_filename}' {count} labels",
                at=("output", index, "label_filename"),
                hint="write one label a line, in the order of the classes",
            )


def _lines(folder: Path, name: str) -> int | None:
    try:
        content = read_inside(folder, name, _MAX_BYTES)
    except (OSError, ForeignNameError):  # which has a rule of its own
        return None
    return None if is_pointer_text(content) else len(content.splitlines())
