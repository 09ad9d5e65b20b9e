"""The protobuf class `inference.ModelConfig`, as tritonclient ships it.

So nothing that Triton accepts is unknown to us. The generated module is loaded by its place in
the file system: `import tritonclient.grpc` would import grpc and numpy (0.3 s against 0.02 s).
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from trtbuild.errors import MissingPackageError

# An `inference.ModelConfig`. protobuf makes its classes at run time, so no type checker knows it.
Config: TypeAlias = Any

_MODULE = "tritonclient.grpc.model_config_pb2"


@functools.cache
def schema() -> ModuleType:
    """The generated module of model_config.proto: messages and enums by their names.

    Raises `MissingPackageError` where tritonclient is not installed.
    """
    if loaded := sys.modules.get(_MODULE):
        return loaded
    package = importlib.util.find_spec("tritonclient")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "grpc" / "model_config_pb2.py"
        if path.is_file():
            return _load(path)
    raise MissingPackageError(
        "config.pbtxt needs the package 'tritonclient' (2.50 or newer), which is not installed",
        "pip install 'tritonclient>=2.50'",
    )


def _load(path: Path) -> ModuleType:
    # Not entered in sys.modules: whoever imports tritonclient.grpc later gets that package's own
    # module; protobuf then hands out the same message classes, both come from one descriptor.
    spec = importlib.util.spec_from_file_location("trtbuild.modelconfig.model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_config(**fields: Any) -> Config:
    """A new `inference.ModelConfig`; nested messages may be given as dicts."""
    return schema().ModelConfig(**fields)
