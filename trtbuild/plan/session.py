"""TensorRT in this worker process: its module and one logger.

Loaded once: a second logger would only draw a warning, TensorRT keeps the first. A process
imports one runtime. Both runtimes have the same Python API as far as it is used here; members of
enums are looked up by name, since their integers differ between releases.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from trtbuild.capability import Capability
from trtbuild.errors import MissingPackageError, PlanError
from trtbuild.plan.runtimes import TENSORRT_RTX, RuntimeInfo
from trtbuild.plugin_registry import LoadedPlugin, fill_registry
from trtbuild.plugins import PluginFile
from trtbuild.tensorrt_log import log_of


class Session:
    """A loaded runtime. `trt` is its module."""

    def __init__(self, runtime: RuntimeInfo) -> None:
        self.runtime = runtime
        self.trt: Any = _import(runtime)
        self.log = log_of(self.trt)

    @property
    def logger(self) -> Any:
        """The one that TensorRT takes."""
        return self.log.logger

    @property
    def errors(self) -> list[str]:
        """What TensorRT said since `forget_errors`."""
        return self.log.said

    @property
    def name(self) -> str:
        """`tensorrt-rtx 1.7.1.116`."""
        return f"{self.runtime.name} {self.trt.__version__}"

    def new_builder(self) -> Any:
        """A builder for one plan: one that has built before gives the next plan other bytes."""
        self.plugins()
        return self.trt.Builder(self.logger)

    def plugins(self, files: tuple[PluginFile, ...] = ()) -> tuple[LoadedPlugin, ...]:
        """Have the creators of `files` and TensorRT's own in the registry, as networks need them.

        Raises `PlanError` for a file that does not load.
        """
        return fill_registry(self.trt, self.logger, files)

    def forget_errors(self) -> None:
        """What TensorRT says from here on belongs to new work."""
        self.log.forget()

    def member(self, enum: str, name: str) -> Any:
        """The member `name` of the module's `enum`, None where this release has none."""
        return getattr(getattr(self.trt, enum, None), name, None)

    def set_targets(self, config: Any, targets: tuple[Capability, ...]) -> None:
        """Declare what the plan is for: undeclared, TensorRT for RTX claims GPUs unasked."""
        if self.runtime.name != TENSORRT_RTX:
            return  # data-centre TensorRT builds for the GPU at hand
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            member = self.member("ComputeCapability", f"SM{target.major}{target.minor}")
            if member is None:
                raise PlanError(
                    f"{self.name} builds no plans for {target}",
                    'a newer release may: pip install --upgrade "trtbuild[rtx]"',
                    blamed=str(target),
                    refused_by="release",
                )
            config.set_compute_capability(member, index)


@functools.cache
def session(runtime: RuntimeInfo) -> Session:
    """The one session of this process."""
    return Session(runtime)


def _import(runtime: RuntimeInfo) -> Any:
    try:
        return importlib.import_module(runtime.module)
    except ImportError as error:
        raise MissingPackageError(
            f"{runtime.package} {runtime.version} is installed, but does not load: {error}",
            f"pip install --force-reinstall {runtime.package}",
        ) from None
