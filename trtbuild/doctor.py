"""What this machine can do: runtimes, GPUs, source frameworks, and what is missing."""

from __future__ import annotations

import contextlib
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import msgspec

from trtbuild import __version__
from trtbuild.cache_folder import DIRECTORY, default_root, doubt, size_limit
from trtbuild.device import Devices, gpus
from trtbuild.errors import StoreError, TrtbuildError
from trtbuild.plan.runtimes import (
    PACKAGES,
    TENSORRT,
    TENSORRT_RTX,
    RuntimeInfo,
    installed_runtimes,
)
from trtbuild.store import Store
from trtbuild.temporary import can_write, choose, usual
from trtbuild.workers.pool import Pool
from trtbuild.workers.sandbox import Support, support


class Framework(msgspec.Struct, frozen=True):
    """One thing that can be installed, and what for."""

    purpose: str
    packages: dict[str, str]  # name -> version, "" where it is not installed
    install: str  # the pip command; "" when nothing is missing
    problem: str = ""  # why what is installed does not load


class Diagnosis(msgspec.Struct, frozen=True):
    """All that `trtbuild doctor` says."""

    trtbuild: str
    python: str
    platform: str
    devices: Devices
    runtimes: tuple[RuntimeInfo, ...]
    frameworks: tuple[Framework, ...]
    sandbox: Support  # of workers that run models of others
    cache: str  # "": there is no home folder to keep one in
    cache_bytes: int
    cache_limit_bytes: int | None  # None: it may grow
    cache_problem: str  # why it is not used, and what to do; "" where it is
    temporary: str  # the folder for temporary files; "": none can be written


class _Package(NamedTuple):
    modules: tuple[str, ...]  # what it is imported as, in the order of `names`
    names: tuple[str, ...]  # that it may be installed under


class _Needs(NamedTuple):
    purpose: str
    extra: str  # of trtbuild's; "": a dependency of trtbuild itself
    packages: tuple[_Package, ...]


def _package(module: str, *names: str) -> _Package:
    return _Package((module,) * max(1, len(names)), names or (module,))


def _runtime(name: str) -> _Package:
    names, modules = zip(*PACKAGES[name], strict=True)
    return _Package(modules, names)


FRAMEWORKS = (
    _Needs(
        "ONNX models, surgery, verification",
        "",
        (
            _package("onnx"),
            _package("onnx_graphsurgeon", "onnx-graphsurgeon"),
            _package("onnxruntime", "onnxruntime", "onnxruntime-gpu"),
        ),
    ),
    _Needs(
        "SavedModel, GraphDef, Keras",
        "tensorflow",
        (_package("tensorflow", "tensorflow-cpu", "tensorflow"), _package("tf2onnx")),
    ),
    _Needs(
        "PyTorch, TorchScript, ExportedProgram",
        "torch",
        (_package("torch"), _package("onnxscript")),
    ),
    _Needs(
        "trtbuild serve",
        "serve",
        tuple(map(_package, ("hpack", "httptools", "orjson", "uvloop"))),
    ),
    _Needs("pictures of `trtbuild bench`", "plot", (_package("matplotlib"),)),
    _Needs("plans without a GPU: TensorRT for RTX", "rtx", (_runtime(TENSORRT_RTX),)),
    _Needs("plans for Triton's TensorRT backend", "tensorrt", (_runtime(TENSORRT),)),
)


def diagnose() -> Diagnosis:
    """Look at this machine. Packages are imported in worker processes; no GPU is touched."""
    devices = gpus()
    root, place = default_root(), usual()
    if place is None:
        with contextlib.suppress(StoreError):
            choose(root)
    with Pool() as pool, ThreadPoolExecutor() as threads:
        frameworks = tuple(threads.map(lambda needs: _framework(needs, pool), FRAMEWORKS))
    return Diagnosis(
        trtbuild=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        devices=devices,
        runtimes=installed_runtimes(devices),
        frameworks=frameworks,
        sandbox=support(),
        cache=str(root or ""),
        cache_bytes=sum(entry.size_bytes for entry in Store().entries()) if root else 0,
        cache_limit_bytes=size_limit(),
        cache_problem=_cache_problem(root),
        temporary=str(place or ""),
    )


def _cache_problem(root: Path | None) -> str:
    """Why a run goes on without the cache, and what to do."""
    if root is None:
        return f"there is no home folder: name a folder with {DIRECTORY}"
    problem, hint = doubt(root)
    if not problem:
        around = next(place for place in (root, *root.parents) if place.exists())
        if not can_write(around):
            problem, hint = f"'{around}' cannot be written", f"name another one with {DIRECTORY}"
    return f"{problem}: {hint}" if problem else ""


def _framework(needs: _Needs, pool: Pool) -> Framework:
    found = [_found(package) for package in needs.packages]
    packages = {name: version for name, version, _ in found}
    wanted = f'"trtbuild[{needs.extra}]"' if needs.extra else "trtbuild"
    install = "" if all(packages.values()) else f"pip install {wanted}"
    installed = tuple(module for _, version, module in found if version)
    problem = _problem(installed, pool) if installed else ""
    if problem and not install:
        install = f"pip install --force-reinstall {wanted}"
    return Framework(needs.purpose, packages, install, problem)


def _problem(modules: tuple[str, ...], pool: Pool) -> str:
    try:
        with pool.worker() as worker:
            return worker.call("trtbuild.workers.imports:problem_of", str, modules=modules)
    except FileNotFoundError as error:  # no folder for temporary files
        return str(error)
    except TrtbuildError as error:  # it took the process with it
        return str(error)


def _found(package: _Package) -> tuple[str, str, str]:
    """Name, version and module; the first name, "" and its module where none is installed."""
    for name, module in zip(package.names, package.modules, strict=True):
        try:
            return name, metadata.version(name), module
        except metadata.PackageNotFoundError:
            continue
    return package.names[0], "", package.modules[0]
