"""What Triton's core fills in before a backend sees a config.

Backend, platform and default file name first, for every model, with auto-complete switched off
too; then the defaults of versions, batching, pinned memory and instance groups.
Source: Triton core, model_config_utils.cc (AutoCompleteBackendFields, NormalizeModelConfig,
NormalizeInstanceGroup).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config

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


class Listing(Protocol):
    """What lies in a folder, by name; `trtbuild.repository.directory.Directory` is one."""

    @property
    def files(self) -> Collection[str]: ...
    @property
    def folders(self) -> Collection[str]: ...


class Completed(NamedTuple):
    """Who runs the model and from which file, after core has filled in what was left out."""

    backend: str
    platform: str
    filename: str
    guessed: bool  # the backend was not written, it was found


def complete(config: Config, first: Listing | None, name: str) -> Completed:
    """Fill in what `config` leaves out. `backend` stays "" where core finds none.

    `first` is the first sub-folder of the model `name` in the order of names, the only one that
    core looks into; None where there is none.
    """
    backend, platform, filename = config.backend, config.platform, config.default_model_filename
    files = set(first.files) if first is not None else set()
    anything = files.union(first.folders) if first is not None else files
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


def contradict(backend: str, platform: str) -> bool:
    """Whether Triton refuses the pair, both completed: "unexpected platform and backend pair"."""
    return backend in KNOWN_BACKENDS and PLATFORM_BACKENDS.get(platform) != backend


def fill_defaults(config: Config) -> None:
    """Write into `config` the defaults of versions, batching, pinned memory, groups."""
    batchers = [config.dynamic_batching] if config.HasField("dynamic_batching") else []
    if config.sequence_batching.HasField("oldest"):
        batchers.append(config.sequence_batching.oldest)
    for batcher in batchers:
        if not batcher.preferred_batch_size and config.max_batch_size > 0:
            batcher.preferred_batch_size.append(config.max_batch_size)
    if not config.version_policy.WhichOneof("policy_choice"):
        config.version_policy.latest.num_versions = 1
    if config.platform != "ensemble":
        for name in ("input_pinned_memory", "output_pinned_memory"):
            if not config.optimization.HasField(name):
                getattr(config.optimization, name).enable = True
    for index, group in enumerate(config.instance_group):
        group.name = group.name or f"{config.name}_{index}"
        group.count = max(1, group.count)


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
