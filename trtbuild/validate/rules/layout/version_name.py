"""A folder's name is read as a version number, but names no such folder.

What: the server reads version folders as C reads numbers, so `1abc`, `+1` and `1.0` are
version 1; it then opens the folder `1`, which is not there. Backends are given `-1` as
18446744073709551615, which is none either.
Why: the model's files are not found. The Python backend never answers the load request,
others fail. A number beyond 63 bits ends the server.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1abc/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, model_lifecycle.cc, VersionsToLoad; tritonbackend.h
(TRITONBACKEND_ModelVersion); tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import overflows
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "misread-version-folder"
SEVERITY = Severity.ERROR
# Those that open a file in the version's folder.
_READING = frozenset({"python", "onnxruntime", "pytorch", "tensorflow", "tensorrt"})


def check(model: Model) -> Iterator[Finding]:
    """One finding a folder; a warning where the policy does not select the version."""
    if model.directory is None:
        return
    for name, version in model.directory.versions.items():
        path = model.directory.path / name
        if overflows(version):
            yield Finding(
                message=f"the folder {name}/ has a number over 63 bits, which ends the server",
                file=path,
                hint="rename it to a small number, or move it out of the model",
            )
        elif name != str(version):
            opened = version in model.versions and str(version) not in model.directory.folders
            yield Finding(
                message=f"the folder {name}/ is taken for version {version}; "
                f"the server opens {version}/" + (", which is not there" if opened else ""),
                file=path,
                hint=f"rename it to {abs(version)}, or move it out of the model",
                severity=None if opened else Severity.WARNING,
            )
        elif version < 0:
            read = version in model.versions and model.backend in _READING
            yield Finding(
                message=f"the folder {name}/ is version {version}, which the server tells a "
                f"backend as {version % 2**64}",
                file=path,
                hint=f"rename it to {abs(version)}, or move it out of the model",
                severity=None if read else Severity.WARNING,
            )
