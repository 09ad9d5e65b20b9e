"""A file that belongs to the ONNX model is not there.

What: the ONNX file keeps weights in other files, and one of them is missing beside it, or lies
outside of its folder: by an absolute path, by `..`, by a link.
Why: ONNX Runtime cannot load the model, or reads files that are none of the model's.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] with weights.bin --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] with weights.bin --
    -- demo/1/weights.bin --
    0123456789abcdef

Source: onnx.proto, TensorProto.external_data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.errors import SourceError
from trtbuild.onnx_files import external_data, external_path
from trtbuild.protowire import WireError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import VersionFile, version_files

NAME = "missing-external-data"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a file."""
    if model.backend != "onnxruntime":
        return
    for file in version_files(model):
        path = file.path / file.path.name if file.path.is_dir() else file.path
        if not path.is_file() or path.stat().st_size == 0:
            continue
        try:
            locations = external_data(path)
        except (WireError, ValueError):  # which has a rule of its own
            continue
        for location in locations:
            yield from _problem(file, path, location)


def _problem(file: VersionFile, path: Path, location: str) -> Iterator[Finding]:
    try:
        there = external_path(path, location, file.folder.fence).is_file()
    except SourceError as error:
        yield Finding(message=error.message, file=path, hint=error.hint)
        return
    if not there:
        yield Finding(
            message=f"{file.shown} keeps weights in '{location}', which is not there",
            file=path,
            hint="copy it beside the ONNX file",
        )
