"""A file that is a pointer of git lfs.

What: a file of the model is the small text that git keeps in the place of a large one.
Why: the backend refuses the model where it loads that file: the plan, the ONNX or TorchScript file,
`model.py`, its weights, a label file. Any other file of the folder is a warning: a Python model may
read it.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx --
    version https://git-lfs.github.com/spec/v1
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
    size 12345

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --

Source: git lfs, docs/spec.md; TensorRT backend, model_state.cc; ONNX Runtime backend,
onnxruntime.cc; PyTorch backend, libtorch.cc; Python backend, pb_stub.cc.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from trtbuild.errors import SourceError
from trtbuild.onnx_files import external_data, external_path
from trtbuild.protowire import WireError
from trtbuild.repository.directory import Directory
from trtbuild.repository.layout import CONFIG
from trtbuild.validate import lfs
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import version_files

NAME = "git-lfs-pointer"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a file of the model's folder and of the versions that are loaded."""
    directory = model.directory
    if directory is None:
        return
    loaded: list[Path] | None = None
    for path in _pointers(model, directory):
        if loaded is None:
            loaded = list(_loaded(model))
        yield Finding(
            message=f"{path.relative_to(directory.path)} is a pointer of git lfs",
            file=path,
            hint=lfs.HINT,
            severity=None if any(map(path.is_relative_to, loaded)) else Severity.WARNING,
        )


def _pointers(model: Model, directory: Directory) -> Iterator[Path]:
    """Those of the folder, without its config and the versions that are not loaded."""
    for name in sorted(directory.files):
        path = directory.path / name
        if path.name != CONFIG and lfs.is_pointer(path):
            yield path
    versions = {folder.path.name for folder in model.version_folders.values()}
    for name in sorted(directory.folders):
        if name in versions or name not in directory.versions:
            yield from lfs.pointers_in(directory.child(name))


def _loaded(model: Model) -> Iterator[Path]:
    """The files, and the folders of which every file, that loading the model reads."""
    assert model.directory is not None
    root, config = model.directory.path, model.config
    yield from _inside(model.directory, [output.label_filename for output in config.output])
    yield root / "warmup"
    yield root / "initial_state"
    for folder in model.version_folders.values():
        yield from _inside(folder, config.cc_model_filenames.values())
    for file in version_files(model):
        yield file.path
        if model.backend == "openvino":
            yield file.path.with_suffix(".bin")
        elif model.backend == "onnxruntime" and file.path.is_file():
            try:
                yield from (external_path(file.path, name) for name in external_data(file.path))
            except (WireError, ValueError, OSError, SourceError):
                continue  # it cannot be read, a pointer or damaged, or names what is outside


def _inside(folder: Directory, names: Iterable[str]) -> Iterator[Path]:
    """Those that a config names in `folder`; what leads out has a rule of its own."""
    return filter(None, map(folder.inside, names))
