"""A Keras model in one file: `.keras` (a zip) or `.h5` (HDF5)."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.archives import check_unpacked
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.tf_export import (
    distinct_outputs,
    export_function,
    running,
    tensorflow,
)

if TYPE_CHECKING:
    import numpy as np

_SAVE_AS_FOLDER = "export it from the program that has its code: model.export('folder')"


class KerasFile:
    """The model's inference call. Inputs are called as its input layers are, outputs as the
    layers that make them, or by the keys of a dict.
    """

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the Keras file '{ref.location}'"
        self.options = options
        self.tf = tensorflow()
        try:
            self._refuse_code(_config(Path(ref.location), self.what))
            self.model = self._load(Path(ref.location))
            self.inputs = _distinct([tensor.name for tensor in self.model.inputs])
            self.outputs = distinct_outputs(self.inputs, _distinct(_output_names(self.model)))
            self.function = self._function()
        except (SourceError, ImportError):
            raise
        except Exception as error:  # JSON that is none, layers whose values fit nothing
            raise SourceError(
                f"{self.what} is damaged: {first_line(error)}", "copy or download it again"
            ) from error

    def _refuse_code(self, config: str) -> None:
        """Keras before 3.11.3 runs the code of Lambda layers in HDF5 files (CVE-2025-9905)."""
        names = [layer.get("name", "?") for layer in _lambdas(json.loads(config))]
        if names:
            raise SourceError(
                f"{self.what} has Lambda layers, whose code lies in the file and is not run: "
                f"{', '.join(names)}",
                _SAVE_AS_FOLDER,
            )

    def _load(self, path: Path) -> Any:
        import keras

        suffix = ".keras" if zipfile.is_zipfile(path) else ".h5"
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / f"model{suffix}"  # Keras goes by the suffix alone
            link.symlink_to(path.absolute())
            try:
                model = keras.models.load_model(link, compile=False, safe_mode=True)
            except Exception as error:
                cause = str(error).rpartition("Exception encountered: ")[2]  # where nested
                raise SourceError(
                    f"Keras {keras.__version__} cannot load {self.what}: "
                    f"{first_line(ValueError(cause))}",
                    _SAVE_AS_FOLDER,
                ) from error
        if not getattr(model, "inputs", None):
            raise SourceError(
                f"{self.what} does not say what its inputs are: it was saved before its first call",
                _SAVE_AS_FOLDER,
            )
        return model

    def _function(self) -> Any:
        tf = self.tf
        model = self.model
        specs = [
            tf.TensorSpec(tensor.shape, tensor.dtype, name=f"input_{index}")
            for index, tensor in enumerate(model.inputs)
        ]

        def call(*flat: Any) -> Any:
            return model(tf.nest.pack_sequence_as(_structure(model, "input"), flat), training=False)

        return tf.function(call, input_signature=specs).get_concrete_function()

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        return export_function(
            self.function, self.inputs, self.outputs, path, what=self.what, options=self.options
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        tf = self.tf
        with running(self.what):
            results = self.function(*(tf.constant(inputs[name]) for name in self.inputs))
            flat = [tensor.numpy() for tensor in tf.nest.flatten(results)]
            return dict(zip(self.outputs, flat, strict=True))


def _config(path: Path, what: str) -> str:
    """The JSON text of the model's architecture, read without Keras."""
    if zipfile.is_zipfile(path):
        check_unpacked(path, what)
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json").decode()
    import h5py  # Keras depends on it

    try:
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
    except OSError as error:
        raise SourceError(
            f"{what} is damaged: {first_line(error)}", "copy or download it again"
        ) from error
    if config is None:
        raise SourceError(
            f"{what} holds weights only, not the model they belong to",
            "save the whole model: model.save('model.keras')",
        )
    return config.decode() if isinstance(config, bytes) else str(config)


def _lambdas(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if config.get("class_name") == "Lambda":
            inner = config.get("config")
            yield inner if isinstance(inner, dict) else {}
        for value in config.values():
            yield from _lambdas(value)
    elif isinstance(config, list):
        for value in config:
            yield from _lambdas(value)


def _structure(model: Any, role: str) -> Any:
    """How `role` ("input", "output") is nested; a loaded Sequential knows its flat list only."""
    try:
        return getattr(model, role)
    except AttributeError:
        flat = getattr(model, f"{role}s")
        return flat[0] if len(flat) == 1 else flat


def _output_names(model: Any) -> list[str]:
    """By keys where the model returns a dict; flattened in sorted order, as TensorFlow does."""
    structure = _structure(model, "output")
    if isinstance(structure, dict):
        return sorted(structure)
    if names := getattr(model, "output_names", None):
        return list(names)
    if len(model.outputs) == 1 and getattr(model, "layers", None):
        return [model.layers[-1].name]
    return [f"output_{index}" for index in range(len(model.outputs))]


def _distinct(names: list[str]) -> list[str]:
    """A layer that is used twice gives two outputs one name."""
    seen: list[str] = []
    for name in names:
        new, count = name, 1
        while new in seen:
            new, count = f"{name}_{count}", count + 1
        seen.append(new)
    return seen
