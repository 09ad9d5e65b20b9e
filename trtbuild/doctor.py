"""What this machine can do: runtimes, GPUs, source frameworks, and what is missing."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import NamedTuple

import msgspec

from trtbuild import __version__
from trtbuild.device import Devices, gpus
from trtbuild.errors import TrtbuildError
from trtbuild.plan.runtimes import (
    PACKAGES,
    TENSORRT,
    TENSORRT_RTX,
    RuntimeInfo,
    installed_runtimes,
)
from trtbuild.store import Store, default_root
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
    cache: str
    cache_bytes: int


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
        cache=str(default_root()),
        cache_bytes=sum(entry.size_bytes for entry in Store().entries()),
    )


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
