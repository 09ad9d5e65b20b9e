"""What Triton's core fills in before it judges: backend, platform and default file name.

This happens for every model, with auto-complete switched off too. Only the first sub-folder in
the order of names is looked at.
Source: Triton core, model_config_utils.cc (AutoCompleteBackendFields).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config
    from trtbuild.validate.directory import Directory

TENSORFLOW = {
    "tensorflow_savedmodel": "model.savedmodel",
    "tensorflow_graphdef": "model.graphdef",
}
# platform -> the backend that runs it; what core calls the backend type
PLATFORM_BACKENDS = {
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "tensorrt_plan": "tensorrt",
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "torch_aoti": "pytorch",
}
KNOWN_BACKENDS = ("tensorflow", "tensorrt", "onnxruntime", "pytorch")
DEFAULT_FILES = {
    "tensorrt": "model.plan",
    "onnxruntime": "model.onnx",
    "openvino": "model.xml",
    "pytorch": "model.pt",
    "python": "model.py",
}


class Completed(NamedTuple):
    """Who runs the model and from which file, after core has filled in what was left out."""

    backend: str
    platform: str
    filename: str
    guessed: bool  # the backend was not written, it was found


def complete(config: Config, directory: Directory | None, name: str) -> Completed:
    """Fill in what `config` leaves out. `backend` stays "" where core finds none."""
    backend, platform, filename = config.backend, config.platform, config.default_model_filename
    files: set[str] = set()
    anything: set[str] = set()
    if directory is not None and directory.folders and not (backend and platform and filename):
        first = directory.child(min(directory.folders))
        files, anything = set(first.files), {*first.files, *first.folders}
    fill = _Fill(backend, platform, filename, files, anything)
    fill.tensorflow()
    fill.tensorrt()
    fill.onnxruntime()
    fill.openvino()
    fill.pytorch()
    fill.python()
    if not (fill.backend or fill.platform or fill.filename) and "." in name:
        fill.backend = name.partition(".")[2]
        fill.filename = f"model.{fill.backend}"
    return Completed(fill.backend, fill.platform, fill.filename, not backend)


class _Fill:
    """The steps in core's order; each sees what the ones before it filled in."""

    def __init__(
        self, backend: str, platform: str, filename: str, files: set[str], anything: set[str]
    ) -> None:
        self.backend, self.platform, self.filename = backend, platform, filename
        self.files, self.anything = files, anything  # of the first version folder

    @property
    def _open(self) -> bool:
        return not self.platform and not self.filename

    def tensorflow(self) -> None:
        if not self.platform and self.backend in ("", "tensorflow"):
            for platform, default in TENSORFLOW.items():
                if self.filename == default or (not self.filename and default in self.anything):
                    self.platform = platform
                    break
        if self.platform in TENSORFLOW:
            self.backend = self.backend or "tensorflow"
            self.filename = self.filename or TENSORFLOW[self.platform]

    def tensorrt(self) -> None:
        if not self.backend and (
            self.platform == "tensorrt_plan"
            or self.filename == "model.plan"
            or (self._open and "model.plan" in self.files)
        ):
            self.backend = "tensorrt"
        if self.backend == "tensorrt":
            self._settle("tensorrt_plan", "model.plan")

    def onnxruntime(self) -> None:
        if not self.backend and (
            self.platform == "onnxruntime_onnx"
            or self.filename == "model.onnx"
            or (self._open and "model.onnx" in self.anything)
        ):
            self.backend = "onnxruntime"
        if self.backend == "onnxruntime":
            self._settle("onnxruntime_onnx", "model.onnx")

    def openvino(self) -> None:
        if not self.backend and self._file("model.xml"):
            self.backend = "openvino"
        if self.backend == "openvino":
            self.filename = self.filename or "model.xml"

    def pytorch(self) -> None:
        if not self.backend:
            if self.platform in ("pytorch_libtorch", "libtorch") or self._file("model.pt"):
                self.backend = "pytorch"
            elif self.platform == "torch_aoti" or self._file("model.pt2"):
                self.backend, self.platform = "pytorch", self.platform or "torch_aoti"
        if self.backend == "pytorch":
            default = "model.pt2" if self.platform == "torch_aoti" else "model.pt"
            self._settle("pytorch_libtorch", default)

    def python(self) -> None:
        if not self.backend and self._file("model.py"):
            self.backend = "python"
        if self.backend == "python":
            self.filename = self.filename or "model.py"

    def _file(self, default: str) -> bool:
        return self.filename == default or (self._open and default in self.files)

    def _settle(self, platform: str, filename: str) -> None:
        self.platform = self.platform or platform
        self.filename = self.filename or filename
