"""The file of a warm-up input is missing, too short or has the wrong number of strings.

What: `input_data_file` names no file in the model's folder `warmup/`, or one with fewer bytes than
the input has; for TYPE_STRING, one with another number of strings (4 bytes of length before each).
Why: Triton refuses the model; a folder of that name ends the server.

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_UINT8 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_UINT8 dims: [4] input_data_file: "a.raw" } }
    }

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_UINT8 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_UINT8 dims: [4] input_data_file: "a.raw" } }
    }
    -- demo/warmup/a.raw --
    1234
    -- demo/1/model.py --

Source: Triton core, backend_model_instance.cc, GenerateWarmupData, and infer_request.cc; tried
on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import open_file, path_inside
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import WarmInput, warm_inputs

NAME = "warmup-file"
SEVERITY = Severity.ERROR
NEEDS = "model_warmup"
_MOST_STRINGS = 500_000  # that are counted, in half a second; a file of zeros has one in 4 bytes


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    if model.directory is None:
        return
    declared = {entry.name for entry in model.config.input}
    for warm in warm_inputs(model):
        if warm.entry.WhichOneof("input_data_type") != "input_data_file":
            continue
        problem = _problem(model.directory.path / "warmup", warm, warm.name in declared)
        if problem:
            yield Finding(
                message=problem,
                at=warm.at("value", "input_data_file"),
                hint="write one item's elements there, row by row, little-endian",
            )


def _problem(folder: Path, warm: WarmInput, declared: bool) -> str:
    name = warm.entry.input_data_file
    try:
        path = path_inside(folder, name)
    except ForeignNameError:
        return f"the file '{name}' lies outside of {folder.parent.name}/warmup/"
    if not path.is_file():
        return f"there is no file '{name}' in {folder.parent.name}/warmup/"
    return _content(path, warm.entry.data_type, list(warm.entry.dims), declared)


def _content(path: Path, data_type: int, dims: list[int], declared: bool) -> str:
    """What is wrong with the file; empty where nothing is."""
    count = max(0, words.elements(dims))
    if data_type != words.STRING:
        wanted = count * words.element_bytes(data_type)
        size = path.stat().st_size
        return f"'{path.name}' has {size} bytes, the input {wanted}" if size < wanted else ""
    # Triton counts the strings of declared inputs alone.
    strings, rest = _strings(path) if declared else (count, False)
    if strings <= _MOST_STRINGS and (strings != count or rest):
        ends = " and ends within a length" if rest else ""
        return f"'{path.name}' has {strings} strings{ends}, the input {count}"
    return ""


def _strings(path: Path) -> tuple[int, bool]:
    """How many strings there are, and whether bytes follow that are too few for a length.

    One more than `_MOST_STRINGS` means: more than are counted.
    """
    count, offset, size = 0, 0, path.stat().st_size
    with open_file(path) as file:
        while offset + 4 <= size and count <= _MOST_STRINGS:
            file.seek(offset)
            offset += 4 + int.from_bytes(file.read(4), "little")
            count += 1
    return count, offset < size
