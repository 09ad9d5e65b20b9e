"""The model file is not there.

What: a version that is loaded lacks the file that its backend opens: `default_model_filename`, or
`model.onnx`, `model.pt`, `model.savedmodel`, `model.py` and so on. Plans have rules of their own.
Why: the backend refuses the model; the Python backend of Triton 2.51 never answers the load.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/resnet.onnx --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    default_model_filename: "resnet.py"
    -- demo/1/resnet.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Source: ONNX Runtime backend, onnxruntime.cc; PyTorch backend, libtorch.cc; TensorFlow backend,
tensorflow.cc; for Python tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.complete import DEFAULT_FILES
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import version_files
from trtbuild.validate.words import one_of

NAME = "missing-model-file"
SEVERITY = Severity.ERROR
_PLANS = ("tensorrt", "tensorrt_rtx")


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    known = model.backend in DEFAULT_FILES or model.backend == "tensorflow"
    # PyTorch's Python runtime takes a model.py, a model.pt or both.
    own_code = model.backend != "python" and model.config.runtime.endswith(".py")
    if not known or model.backend in _PLANS or own_code:
        return
    for file in version_files(model):
        if not file.exists:
            written = bool(model.config.default_model_filename)
            names = [*file.folder.files, *(f"{name}/" for name in file.folder.folders)]
            yield Finding(
                message=f"version {file.version} has no file '{file.name}'; "
                f"it has {one_of(names, 'no files')}",
                at=("default_model_filename",) if written else (),
                file=None if written else file.folder.path,
                hint="rename the file, or name it with default_model_filename",
            )
