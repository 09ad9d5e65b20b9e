"""The model file of each version that is loaded, and its interface, walked once for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild.validate.directory import Directory, below
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import DamagedFileError, Interface, read_interface


class VersionFile(NamedTuple):
    """Where the model file of one version should be."""

    version: int
    folder: Directory
    path: Path

    @property
    def shown(self) -> str:
        """`1/model.onnx`."""
        return f"{self.folder.path.name}/{self.path.name}"


def version_files(model: Model) -> Iterator[VersionFile]:
    """The default file of each version, whether it is there or not; none for ensembles."""
    filename = model.completed.filename
    if model.is_ensemble or not filename:
        return
    for version, folder in model.version_folders.items():
        yield VersionFile(version, folder, below(folder.path, filename))


def interfaces(model: Model) -> Iterator[tuple[VersionFile, Interface]]:
    """The version files whose inputs and outputs can be told."""
    for file in version_files(model):
        if not file.folder.has(file.path.name):
            continue
        try:
            interface = read_interface(model.backend, file.path)
        except (DamagedFileError, OSError):  # which has a rule of its own
            continue
        if interface is not None:
            yield file, interface


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
