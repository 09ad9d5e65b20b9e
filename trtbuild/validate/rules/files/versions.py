"""The model file of each version that is loaded, and its interface, walked once for all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from trtbuild.foreign import path_inside
from trtbuild.repository.directory import Directory
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.aoti import Structure, read_structure
from trtbuild.validate.modelfiles.interface import DamagedFileError, Interface, read_interface
from trtbuild.validate.modelfiles.torchscript import Call, forward_call

Told = TypeVar("Told")


class VersionFile(NamedTuple):
    """Where the model file of one version should be."""

    version: int
    folder: Directory
    name: str  # as the config gives it, below the version's folder: `model.py`, `src/model.py`

    @property
    def path(self) -> Path:
        """Where that is."""
        return path_inside(self.folder.path, self.name, self.folder.fence)

    @property
    def exists(self) -> bool:
        """Whether a file or a folder is there."""
        return self.folder.has(self.name)

    @property
    def shown(self) -> str:
        """`1/model.onnx`."""
        return f"{self.folder.path.name}/{self.name}"


def version_files(model: Model) -> Iterator[VersionFile]:
    """The default file of each version, whether it is there or not; none for ensembles.

    Nor where its name leads out of the version's folder, which has a rule of its own.
    """
    filename = model.completed.filename
    if model.is_ensemble or not filename:
        return
    for version, folder in model.version_folders.items():
        if folder.inside(filename) is not None:
            yield VersionFile(version, folder, filename)


def interfaces(model: Model) -> Iterator[tuple[VersionFile, Interface]]:
    """The version files whose inputs and outputs can be told."""
    return _told(model, partial(read_interface, model.backend))


def _told(model: Model, read: Callable[[Path], Told | None]) -> Iterator[tuple[VersionFile, Told]]:
    for file in version_files(model):
        if not file.exists:
            continue
        try:
            told = read(file.path)
        except (DamagedFileError, OSError):  # which has a rule of its own
            continue
        if told is not None:
            yield file, told


def torch_calls(model: Model) -> Iterator[tuple[VersionFile, Call]]:
    """The TorchScript files whose `forward` can be told; none for other models."""
    return _told(model, forward_call) if model.platform == "pytorch_libtorch" else iter(())


def aoti_structures(model: Model) -> Iterator[tuple[VersionFile, Structure]]:
    """AOTInductor's packages whose names can be told; none for other models."""
    return _told(model, read_structure) if model.platform == "torch_aoti" else iter(())


def declared(model: Model, role: str) -> dict[str, Any]:
    """The config's inputs or outputs by name, and None for those that the server makes."""
    config, batching = model.config, model.config.sequence_batching
    made: list[str] = []
    if role == "input":
        made += [entry.name for entry in batching.control_input]
        made += [state.input_name for state in batching.state]
        made += [name for entry in config.batch_input for name in entry.target_name]
    else:
        made += [state.output_name for state in batching.state]
    return {**dict.fromkeys(made), **{entry.name: entry for entry in getattr(config, role)}}
