"""Plugins: files that teach TensorRT ops of their own, and what of them a plan uses.

A plugin is a shared library with creators in it, or a Python file whose import registers creators.
Loading either runs its code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

# How a file's creators come into the registry. Triton only opens the library, so there the first
# has to be enough.
LoadedBy = Literal["opening", "getCreators", "import"]


class PluginFile(msgspec.Struct, frozen=True):
    """A plugin as the user named it."""

    path: Path  # absolute
    digest: str  # SHA-256

    @property
    def is_python(self) -> bool:
        """It is imported; everything else is opened as a shared library."""
        return self.path.suffix == ".py"


class PluginCreator(msgspec.Struct, frozen=True, order=True):
    """What a plan's plugin layers are made by: TensorRT looks it up by these three."""

    name: str  # the `op_type` of ONNX nodes
    version: str
    namespace: str  # "" is usual

    def __str__(self) -> str:
        inside = f", namespace {self.namespace}" if self.namespace else ""
        return f"{self.name} (version {self.version}{inside})"


class UsedPlugin(msgspec.Struct, frozen=True):
    """A plugin file that a plan cannot be loaded without."""

    file: str  # its name
    digest: str
    loaded_by: LoadedBy
    creators: tuple[PluginCreator, ...]  # that the plan uses
