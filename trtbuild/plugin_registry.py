"""Load plugin files into TensorRT's registry of this process. Takes TensorRT's module.

TensorRT has one registry a process; what is in it stays until the process ends. A library's
creators get there in one of two ways: its own static objects put them there when it is opened
(the macro REGISTER_TENSORRT_PLUGIN; Triton and `trtexec --staticPlugins` rely on it), or it exports
`getCreators` (V3) or `getPluginCreators` (V2), which `IPluginRegistry::loadLibrary` calls.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild.errors import PlanError, first_line
from trtbuild.plugins import LoadedBy, PluginCreator, PluginFile

_EXPORTS = ("getCreators", "getPluginCreators")
_LIBRARY_OF = re.compile(r"libnvinfer\w*\.so\.(\d+)")


class LoadedPlugin(NamedTuple):
    """A plugin file whose creators are in the registry."""

    file: PluginFile
    loaded_by: LoadedBy
    creators: tuple[PluginCreator, ...]  # that came with it


_loaded: dict[Path, LoadedPlugin] = {}


def load_plugin(trt: Any, file: PluginFile) -> LoadedPlugin:
    """Have `file`'s creators in the registry of the module `trt`; a second call does nothing.

    Raises `PlanError` where it does not load or brings no creator.
    """
    if file.path not in _loaded:
        before = creators_of(trt)
        loaded_by = _import(trt, file.path) if file.is_python else _open(trt, file.path, before)
        came = creators_of(trt) - before
        if not came:
            raise PlanError(
                f"the plugin '{file.path}' loads, but registers no creator{_since(file)}",
                "have it register one: REGISTER_TENSORRT_PLUGIN(Creator) in C++, "
                "get_plugin_registry().register_creator(...) or @tensorrt.plugin.register in "
                "Python; a creator that is registered already does not count",
            )
        _loaded[file.path] = LoadedPlugin(file, loaded_by, tuple(sorted(came)))
    return _loaded[file.path]


def creators_of(trt: Any) -> set[PluginCreator]:
    """Every creator in the registry, those that TensorRT brought among them."""
    return {
        PluginCreator(each.name, each.plugin_version, each.plugin_namespace)
        for each in trt.get_plugin_registry().all_creators
    }


def _since(file: PluginFile) -> str:
    return "" if file.is_python else f" and exports neither {' nor '.join(_EXPORTS)}"


def _open(trt: Any, path: Path, before: set[PluginCreator]) -> LoadedBy:
    try:
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOW)
    except OSError as error:
        raise PlanError(
            f"the plugin '{path}' does not load: {first_line(error)}",
            _why_not(str(error), trt.__version__),
        ) from None
    if creators_of(trt) != before or not any(hasattr(library, name) for name in _EXPORTS):
        return "opening"
    if trt.get_plugin_registry().load_library(str(path)) is None:
        raise PlanError(
            f"TensorRT {trt.__version__} does not take the creators of the plugin '{path}'",
            "one of them may be registered already by another --plugins file",
        )
    return "getCreators"


def _why_not(said: str, version: str) -> str:
    """The next step, from what the dynamic linker says."""
    major = version.partition(".")[0]
    other = _LIBRARY_OF.search(said)
    if other and other[1] != major:
        return f"it was linked with TensorRT {other[1]}: compile and link it with {version}"
    if "undefined symbol: getPluginRegistry" in said or "undefined symbol: getLogger" in said:
        return "link it with TensorRT: -lnvinfer"
    if "undefined symbol" in said:
        return f"compile it against the headers of TensorRT {version}, and link what it uses"
    return "`ldd` shows what it needs and does not find"


def _import(trt: Any, path: Path) -> LoadedBy:
    """Import the file; `import tensorrt` in it is `trt`, whichever package that came from."""
    sys.modules.setdefault("tensorrt", trt)
    sys.path.insert(0, str(path.parent))
    name = f"trtbuild_plugin_{path.stem}"  # a file may be called numpy.py
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(path)
        ]
        place = f" (line {lines[-1]})" if lines else ""
        raise PlanError(
            f"the plugin '{path}' fails when it is imported: "
            f"{type(error).__name__}: {first_line(error)}{place}"
        ) from error
    return "import"
