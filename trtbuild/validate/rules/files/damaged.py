"""The model file is not what its name says.

What: an ONNX file, a SavedModel or a TorchScript file that is empty, cut off or something else.
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

Source: the backends' model loading.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import DamagedFileError, read_interface
from trtbuild.validate.modelfiles.torchscript import forward_arguments
from trtbuild.validate.rules.files.versions import version_files

NAME = "damaged-model-file"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    if model.backend not in ("onnxruntime", "tensorflow", "pytorch"):
        return
    for file in version_files(model):
        if not file.folder.has(file.path.name):
            continue
        try:
            if model.platform == "pytorch_libtorch":
                forward_arguments(file.path)
            else:
                read_interface(model.backend, file.path)
        except DamagedFileError as error:
            yield Finding(
                message=f"{file.shown} cannot be read: {error}",
                file=file.path,
                hint="copy or export it again",
            )
