"""What this machine can do: runtimes, GPUs, source frameworks, and what is missing."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import NamedTuple

import msgspec

from trtbuild import __version__
from trtbuild.device import Devices, gpus
from trtbuild.plan.runtimes import RuntimeInfo, installed_runtimes
from trtbuild.store import Store, default_root


class Framework(msgspec.Struct, frozen=True):
    """One thing that can be installed, and what for."""

    purpose: str
    packages: dict[str, str]  # name -> version, "" where it is not installed
    install: str  # the pip command; "" when nothing is missing


class Diagnosis(msgspec.Struct, frozen=True):
    """All that `trtbuild doctor` says."""

    trtbuild: str
    python: str
    platform: str
    devices: Devices
    runtimes: tuple[RuntimeInfo, ...]
    frameworks: tuple[Framework, ...]
    cache: str
    cache_bytes: int


class _Needs(NamedTuple):
    purpose: str
    extra: str  # of trtbuild's; "": a dependency of trtbuild itself
    packages: tuple[tuple[str, ...], ...]  # each with the names it may be installed under


FRAMEWORKS = (
    _Needs(
        "ONNX models, surgery, verification",
        "",
        (("onnx",), ("onnx-graphsurgeon",), ("onnxruntime", "onnxruntime-gpu")),
    ),
    _Needs(
        "SavedModel, GraphDef, Keras",
        "tensorflow",
        (("tensorflow-cpu", "tensorflow"), ("tf2onnx",)),
    ),
    _Needs("PyTorch, TorchScript, ExportedProgram", "torch", (("torch",), ("onnxscript",))),
    _Needs("trtbuild serve", "serve", (("hpack",), ("httptools",), ("orjson",), ("uvloop",))),
    _Needs(
        "plans without a GPU: TensorRT for RTX",
        "rtx",
        (("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),),
    ),
    _Needs(
        "plans for Triton's TensorRT backend",
        "tensorrt",
        (("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),),
    ),
)


def diagnose() -> Diagnosis:
    """Look at this machine. Imports no framework and touches no GPU."""
    devices = gpus()
    return Diagnosis(
        trtbuild=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        devices=devices,
        runtimes=installed_runtimes(devices),
        frameworks=tuple(_framework(needs) for needs in FRAMEWORKS),
        cache=str(default_root()),
        cache_bytes=sum(entry.size_bytes for entry in Store().entries()),
    )


def _framework(needs: _Needs) -> Framework:
    packages = dict(_found(names) for names in needs.packages)
    wanted = f'"trtbuild[{needs.extra}]"' if needs.extra else "trtbuild"
    install = "" if all(packages.values()) else f"pip install {wanted}"
    return Framework(needs.purpose, packages, install)


def _found(names: tuple[str, ...]) -> tuple[str, str]:
    for name in names:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return names[0], ""
