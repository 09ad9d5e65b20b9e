"""TensorRT as far as plugins are loaded into it: a registry, and creators that Python files add."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class Creator:
    def __init__(self, name: str, version: str = "1", namespace: str = "") -> None:
        self.name, self.plugin_version, self.plugin_namespace = name, version, namespace


class Registry:
    def __init__(self) -> None:
        self.all_creators = [Creator("InstanceNormalization_TRT")]
        self.libraries: list[str] = []
        self.brings: list[Creator] = []  # what the next library has behind getCreators
        self.handle: object | None = object()

    def register_creator(self, creator: Any, namespace: str) -> bool:
        self.all_creators.append(creator)
        return True

    def load_library(self, path: str) -> object | None:
        self.libraries.append(path)
        self.all_creators += self.brings
        return self.handle


def tensorrt() -> Any:
    """A module of its own, with a registry of its own."""
    module: Any = ModuleType("tensorrt")
    registry = Registry()
    module.__version__ = "10.6.0"
    module.Creator = Creator
    module.get_plugin_registry = lambda: registry

    def init_libnvinfer_plugins(logger: object, namespace: str) -> bool:
        registry.all_creators.append(Creator("EfficientNMS_TRT"))
        return True

    module.init_libnvinfer_plugins = init_libnvinfer_plugins
    return module
