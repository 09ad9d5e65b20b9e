"""The files of `--plugins`: are they plugins, and can this machine load them? Not loaded here."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterable
from pathlib import Path

from trtbuild.artifacts import digest_of_files
from trtbuild.errors import PlanError, UsageError
from trtbuild.plugins import PluginFile

# elf(5), 64 bits: magic, class, byte order; type, machine; where the program headers are, how many
_HEAD = struct.Struct("<4sBB10xHH12xQ14xHH")
_SEGMENT = struct.Struct("<8xQ16xQ16x")  # a program header: offset and size in the file
_SHARED_OBJECT = 3  # ET_DYN
_64_BIT = 2  # ELFCLASS64
_MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine -> platform.machine()
_WHAT = "a plugin is a shared library (.so) or a Python file (.py) that registers creators"


def plugins_from_paths(paths: Iterable[Path]) -> tuple[PluginFile, ...]:
    """The files of `--plugins`, each once, in the order given.

    Raises `UsageError` for one that is not there, `PlanError` for one that this machine cannot
    load, as far as its head tells.
    """
    files: dict[Path, PluginFile] = {}
    for path in paths:
        if not path.is_file():
            raise UsageError(f"--plugins '{path}': no such file", _WHAT)
        place = path.absolute()
        if place.suffix != ".py":
            _check_library(path)
        files.setdefault(place, PluginFile(place, digest_of_files(place)))
    return tuple(files.values())


def _check_library(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(b"\x7fELF"):
        begins = head[:4].hex(" ") or "nothing"
        raise PlanError(
            f"--plugins '{path}' is neither a shared library nor Python (it begins with {begins})",
            _WHAT,
        )
    _, word, order, kind, machine, segments, _, count = _HEAD.unpack(head)
    here = platform.machine()
    there = _MACHINES.get(machine, f"ELF machine {machine}")
    if word != _64_BIT or order != 1 or there != here:
        bits = "" if word == _64_BIT else "32-bit "
        raise PlanError(
            f"--plugins '{path}' was compiled for {bits}{there}; this machine is {here}",
            f"compile it for {here}, or convert on a machine of its kind",
        )
    if kind != _SHARED_OBJECT:
        raise PlanError(
            f"--plugins '{path}' is an ELF file, but no shared library",
            "link it with -shared",
        )
    _check_whole(path, segments, count)


def _check_whole(path: Path, place: int, count: int) -> None:
    """Opening a library that was cut off kills the process (SIGBUS): the loader maps it unseen."""
    with path.open("rb") as file:
        file.seek(place)
        table = file.read(count * _SEGMENT.size)
    ends = [offset + size for offset, size in _SEGMENT.iter_unpack(table[: _whole(len(table))])]
    size_bytes = path.stat().st_size
    if len(ends) < count or max(ends, default=0) > size_bytes:
        raise PlanError(
            f"--plugins '{path}' was cut off: it has {size_bytes} bytes, and "
            f"{max([*ends, place + count * _SEGMENT.size])} belong to it",
            "copy or compile it again",
        )


def _whole(size: int) -> int:
    return size - size % _SEGMENT.size


def triton_option(paths: Iterable[str]) -> str:
    """What a stock tritonserver is started with, so that its TensorRT backend opens `paths`.

    Source: tensorrt_backend, tensorrt.cc, which opens each part between semicolons.
    """
    return f'--backend-config=tensorrt,plugins="{";".join(paths)}"'
