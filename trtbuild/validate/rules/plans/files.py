"""The plans of a model: which file each compute capability would load, walked once for all rules.

Source: Triton backend_model_instance.cc and the TensorRT backend's model_state.cc: the file of
`cc_model_filenames` for the GPU's "major.minor", else `default_model_filename`, else `model.plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.foreign import path_inside
from trtbuild.plan.header import PlanHeader, plan_header
from trtbuild.plan.runtimes import RTX_CAPABILITIES
from trtbuild.repository.directory import Directory
from trtbuild.validate.model import Model

BACKENDS = ("tensorrt", "tensorrt_rtx")


class PlanFile(NamedTuple):
    """A plan that a version's config names, with its header or why there is none."""

    folder: Directory
    file: str
    path: Path
    key: str  # of cc_model_filenames; "": the default file
    header: PlanHeader | PlanError

    @property
    def shown(self) -> str:
        """`1/model.plan`."""
        return f"{self.folder.path.name}/{self.file}"


def default_file(model: Model) -> str:
    """The file that is loaded on GPUs without a key of their own."""
    return model.completed.filename or "model.plan"


def is_plan_model(model: Model) -> bool:
    """Whether TensorRT runs it."""
    return model.backend in BACKENDS and not model.is_ensemble


def plan_files(model: Model) -> Iterator[PlanFile]:
    """Every plan file that is there, of every version that is loaded."""
    if not is_plan_model(model):
        return
    named = sorted(model.config.cc_model_filenames.items())
    for folder in model.version_folders.values():
        for key, file in [*named, ("", default_file(model))]:
            if folder.has_file(file):
                path = path_inside(folder.path, file, folder.fence)
                yield PlanFile(folder, file, path, key, _header(path))


def _header(path: Path) -> PlanHeader | PlanError:
    try:
        return plan_header(path)
    except PlanError as error:
        return error


def how_to_build(model: Model, gpu: Capability) -> str:
    """How a plan for `gpu` is built, where this model's runtime can build one."""
    on_the_gpu = (
        f"`trtbuild convert --runtime tensorrt --target {gpu}` on a machine with such a GPU"
    )
    if model.backend != "tensorrt_rtx":
        return f"build one: {on_the_gpu}"
    if gpu in RTX_CAPABILITIES:
        return f"build one: `trtbuild convert --runtime tensorrt-rtx --target {gpu}`"
    return (
        f"TensorRT for RTX builds no plans for {gpu}: build a model of the backend 'tensorrt' for "
        f"those GPUs, {on_the_gpu}"
    )
