"""Load plugin files into TensorRT's registry of this process. Takes TensorRT's module.

TensorRT has one registry a process; what is in it stays until the process ends. A library's
creators get there in one of two ways: its own static objects put them there when it is opened
(the macro REGISTER_TENSORRT_PLUGIN; Triton and `trtexec --staticPlugins` rely on it), or it exports
`getCreators` (V3) or `getPluginCreators` (V2), which `IPluginRegistry::loadLibrary` calls.

About half of TensorRT's own plugins (libnvinfer_plugin) are there from the start; the others come
with `initLibNvInferPlugins`, which Triton's backend and trtexec call as well. Here they come after
the user's: who brings another version of one of them means it.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild.errors import PlanError, first_line
from trtbuild.plugins import LoadedBy, PluginCreator, PluginFile, UsedPlugin
from trtbuild.users_code import import_code, tensorrt_is, told

_EXPORTS = ("getCreators", "getPluginCreators")
_LIBRARY_OF = re.compile(r"libnvinfer\w*\.so\.(\d+)")


class LoadedPlugin(NamedTuple):
    """A plugin file whose creators are in the registry."""

    file: PluginFile
    loaded_by: LoadedBy
    creators: tuple[PluginCreator, ...]  # that came with it


_loaded: dict[Path, LoadedPlugin] = {}
_whole: set[str] = set()  # modules whose registries have TensorRT's own plugins


def fill_registry(trt: Any, logger: Any, files: Iterable[PluginFile]) -> tuple[LoadedPlugin, ...]:
    """Have the creators of `files`, and then all of TensorRT's own, in the registry of `trt`.

    `logger`: TensorRT's, of this process. Raises `PlanError` for a file that does not load or
    brings nothing.
    """
    loaded = tuple(load_plugin(trt, file) for file in files)
    if trt.__name__ not in _whole:
        _whole.add(trt.__name__)
        trt.init_libnvinfer_plugins(logger, "")
    return loaded


def missing_creators(trt: Any, used: UsedPlugin) -> tuple[PluginCreator, ...]:
    """Those that a plan was built with and the registry has not."""
    here = creators_of(trt)
    return tuple(creator for creator in used.creators if creator not in here)


def load_plugin(trt: Any, file: PluginFile) -> LoadedPlugin:
    """Have `file`'s creators in the registry of the module `trt`; a second call does nothing.

    Raises `PlanError` where it does not load or brings no creator.
    """
    if file.path not in _loaded:
        sys.stderr.write(f"loading plugin {file.path}\n")  # the last words, should it crash
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
    tensorrt_is(trt)
    try:
        import_code(str(path))
    except (Exception, SystemExit) as error:
        raise PlanError(
            f"the plugin '{path}' fails when it is imported: {told(error, str(path))}"
        ) from error
    return "import"
