"""The model file is not what its name says.

What: an ONNX file, a SavedModel, a TorchScript file or a package of AOTInductor that is empty, cut
off or something else. A `.pt2` that `torch.export.save` wrote is no package: it is not compiled.
Why: the backend refuses the model.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx --
    <html>404 not found</html>

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: ONNX Runtime backend, onnxruntime.cc; PyTorch backend, libtorch.cc and
src/pt2/model_state.cc; TensorFlow backend, tensorflow.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.aoti import read_structure
from trtbuild.validate.modelfiles.interface import READERS, DamagedFileError, read_interface
from trtbuild.validate.modelfiles.torchscript import forward_call
from trtbuild.validate.rules.files.versions import version_files

NAME = "damaged-model-file"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    read = _reader(model)
    if read is None:
        return
    for file in version_files(model):
        if not file.exists:
            continue
        try:
            read(file.path)
        except DamagedFileError as error:
            yield Finding(
                message=f"{file.shown} cannot be read: {error}",
                file=file.path,
                hint="copy or export it again",
            )


def _reader(model: Model) -> Callable[[Path], object] | None:
    if model.backend == "pytorch":
        return {"pytorch_libtorch": forward_call, "torch_aoti": read_structure}.get(model.platform)
    return partial(read_interface, model.backend) if model.backend in READERS else None
