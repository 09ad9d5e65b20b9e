"""What worker processes run of the sources stage: export a model, and run it for reference.

The model that `export` loaded stays loaded, so that `run` runs the very object that was exported:
a factory may give its module random weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trtbuild.artifacts import OnnxModel, SourceRef, to_json
from trtbuild.errors import MissingPackageError
from trtbuild.onnx_model import describe
from trtbuild.registry import load
from trtbuild.sources import SOURCES
from trtbuild.sources.options import SourceOptions
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.workers.child import report

if TYPE_CHECKING:
    import numpy as np

    Tensors = Mapping[str, np.ndarray]

_ONNX_FILE = "model.onnx"


class Source(Protocol):
    """A loaded model of some framework, made with `(ref, options)`.

    All of it raises `SourceError` where the model is at fault, and `ModuleNotFoundError`, as
    Python does, without its framework.
    """

    def export(self, path: Path) -> tuple[str, ...]:
        """Write ONNX to `path`, external data beside it. What a user should know comes back."""

    def run(self, inputs: Tensors) -> dict[str, np.ndarray]:
        """The model's own outputs; names and dtypes as in the exported ONNX."""


# package -> the extra of trtbuild that installs it
_EXTRAS = {
    "h5py": "tensorflow",
    "keras": "tensorflow",
    "onnxscript": "torch",
    "tensorflow": "tensorflow",
    "tf2onnx": "tensorflow",
    "torch": "torch",
}

_loaded: dict[bytes, Source] = {}  # at most one


def export(ref: SourceRef, options: SourceOptions, directory: Path) -> OnnxModel:
    """The model as `model.onnx`, with external data where it is large, right in `directory`."""
    with _named_packages(ref):
        source = _source(ref, options)
        report("export", "export to ONNX")
        path = directory / _ONNX_FILE
        notes = source.export(path)
    return describe(path, notes)


def run(ref: SourceRef, options: SourceOptions, inputs: Path, outputs: Path) -> list[str]:
    """Run the source framework on the tensors in the file `inputs`; returns the outputs' names.

    `outputs` is written; both files are those of `tensorfile`.
    """
    with _named_packages(ref):
        source = _source(ref, options)
        report("reference run", "run")
        results = source.run(load_tensors(inputs))
    save_tensors(outputs, results)
    return list(results)


@contextlib.contextmanager
def _named_packages(ref: SourceRef) -> Iterator[None]:
    """A framework that is not installed, as `MissingPackageError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise MissingPackageError.of(
            error.name, _EXTRAS[error.name], f"converting '{ref.location}'"
        ) from None


def _source(ref: SourceRef, options: SourceOptions) -> Source:
    key = to_json((ref, options))
    if key not in _loaded:
        _loaded.clear()
        report("export", f"load {ref.kind}")
        source: Source = load(SOURCES[ref.kind])(ref, options)
        _loaded[key] = source
    return _loaded[key]
