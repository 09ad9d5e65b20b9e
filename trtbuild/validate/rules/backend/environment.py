"""A Python environment that cannot be used.

What: the Python backend's parameter `EXECUTION_ENV_PATH` names nothing that exists, a file that is
no archive, or a folder without `bin/activate`. A path that begins with neither `/` nor
`$$TRITON_MODEL_DIRECTORY`, which stands for the model's folder, is one in the folder that the
server is started in: an error where it is one of the model's folder instead. Any other relative
path, and an absolute one that is not here, is a warning: it may be on the server.
Why: Triton refuses the model: "failed to get the canonical path", "archive_read_open_filename()
failed", "The Python environment should contain an 'activate' script".

Example:
    backend: "python"
    parameters {
      key: "EXECUTION_ENV_PATH"
      value { string_value: "$$TRITON_MODEL_DIRECTORY/environment.tar.gz" }
    }

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    parameters {
      key: "EXECUTION_ENV_PATH"
      value { string_value: "$$TRITON_MODEL_DIRECTORY/environment.tar.gz" }
    }
    -- demo/environment.tar.gz = archive --
    -- demo/1/model.py --

Source: Python backend, pb_env.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.foreign import fence_of, open_file, stated_path
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.lfs import HINT, is_pointer
from trtbuild.validate.model import Model

NAME = "missing-environment"
SEVERITY = Severity.ERROR
NEEDS = "parameters"
KEY = "EXECUTION_ENV_PATH"
_MODEL = "$$TRITON_MODEL_DIRECTORY"
# How the files begin that libarchive opens (its filters, and formats without one).
_ARCHIVES = (
    *(b"\x1f\x8b", b"\x1f\x9d", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"),
    *(b"\x5d\x00\x00", b"LZIP", b"LRZI", b"\x89LZO", b"PK", b"7z\xbc\xaf", b"Rar!", b"MSCF"),
    *(b"xar!", b"!<arch>", b"0707", b"\xc7\x71", b"\x71\xc7", b"#mtree", b"WARC/"),
)
_TAR_SUM = slice(148, 156)  # of a header, in octal digits: the sum of its bytes, these as blanks


def check(model: Model) -> Iterator[Finding]:
    """One finding; a warning for an absolute path, which may exist on the server alone."""
    parameters = model.config.parameters
    if model.backend != "python" or model.directory is None or KEY not in parameters:
        return
    given = parameters[KEY].string_value
    inside = given.startswith(_MODEL)
    root = model.directory.path
    if given and not inside and not given.startswith("/"):
        yield _relative(model, given)
        return
    path = stated_path(given.replace(_MODEL, str(root.absolute()), 1))
    here = fence_of(root).holds(path)  # what else is on this machine is not the config's to open
    problem = _problem(path, opened=here) if given else ""
    if problem:
        here = inside or path.exists()
        yield Finding(
            message=f"{KEY} names '{given}', {problem}",
            at=("parameters", KEY),
            hint=HINT
            if problem == "a pointer of git lfs"
            else "put the environment there as conda-pack or venv-pack writes it, or take the "
            "parameter out",
            severity=None if here else Severity.WARNING,
        )


def _relative(model: Model, given: str) -> Finding:
    assert model.directory is not None
    place = model.directory.inside(given)
    in_model = place is not None and place.exists()
    at = ("parameters", KEY, "value", "string_value")
    path = f"{_MODEL}/{given.removeprefix('./')}"
    message = f"{KEY} is '{given}', which Triton looks for in the folder that it is started in"
    if not in_model:
        hint = f"start the server where this path leads to it, or write {_MODEL}/... for a path "
        hint += "in the model's folder"
        return Finding(message=message, at=at, hint=hint, severity=Severity.WARNING)
    started_here = stated_path(
        given
    ).exists()  # as a server that is started where trtbuild is would say
    return Finding(
        message=message,
        at=at,
        hint=f'write "{path}"',
        severity=Severity.WARNING if started_here else None,
        fix=() if started_here else replace_value(model, at, quote(path)),
    )


def _problem(path: Path, *, opened: bool) -> str:
    if path.is_dir():
        return "" if (path / "bin/activate").exists() else "a folder without bin/activate"
    if not path.exists():
        return "which is not there"
    if not opened or not path.is_file() or is_archive(path):
        return ""
    return "a pointer of git lfs" if is_pointer(path) else "which is no archive"


def is_archive(path: Path) -> bool:
    """Whether the file begins as one that libarchive opens."""
    with open_file(path) as file:
        head = file.read(512)
    if head.startswith(_ARCHIVES):
        return True
    digits = head[_TAR_SUM].strip(b" \0").decode("ascii", "replace")
    total = sum(head) - sum(head[_TAR_SUM]) + 8 * ord(" ")
    return len(head) == 512 and digits == f"{total:0{len(digits)}o}"
