"""What the workers of one run may touch: the source, the store, and folders of the run's own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trtbuild.artifacts import SourceRef
from trtbuild.onnx_files import external_files
from trtbuild.plan.runtimes import TENSORRT, RuntimeInfo
from trtbuild.protowire import WireError
from trtbuild.sources import NETWORK
from trtbuild.stage_options import StageOptions
from trtbuild.workers.memory import most_bytes
from trtbuild.workers.sandbox import Sandbox

# Code of the user's own, which may do what the user may.
_CODE = ("torch", NETWORK)


class Folders(NamedTuple):
    """Of one run."""

    store: Path
    staging: Path | None  # in the store: where this run's entries are made
    scratch: Path

    def written(self) -> tuple[str, ...]:
        """Those that a worker may write to."""
        return tuple(str(folder) for folder in (self.staging, self.scratch) if folder is not None)


def of_frameworks(source: SourceRef, options: StageOptions, folders: Folders) -> Sandbox | None:
    """For the worker that exports, operates and compares; None where what it runs is the user's
    own code, or a model that the user trusts.
    """
    if source.kind in _CODE or options.source.trust_source:
        return None
    read = [folders.store, *_files_of(source), *filter(None, [options.verify.samples])]
    return Sandbox(tuple(map(str, read)), folders.written(), memory_bytes=most_bytes())


def of_builds(
    source: SourceRef, runtime: RuntimeInfo, options: StageOptions, folders: Folders
) -> Sandbox | None:
    """For workers that build plans; None where that runs the user's own code, or needs a GPU."""
    if runtime.name == TENSORRT or options.plan.plugins or source.kind == NETWORK:
        return None
    read = [folders.store, *_files_of(source)]
    return Sandbox(tuple(map(str, read)), folders.written(), memory_bytes=most_bytes())


def _files_of(source: SourceRef) -> list[Path]:
    """The model's files; of an ONNX file those with its external data."""
    if source.kind in _CODE:
        return []
    path = Path(source.location)
    if source.kind != "onnx":
        return [path]
    try:
        return [path, *external_files(path)]
    except (OSError, WireError):
        return [path]  # the worker says what is wrong with it
