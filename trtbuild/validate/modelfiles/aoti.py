"""What a package of AOTInductor (`.pt2`) says of its inputs and outputs, without PyTorch.

It is a zip file with the compiled model, and beside that its C++ source, in which the structure
of arguments and results stands as JSON (pytree's treespec). Triton's names follow from that:

    forward(image, pair={"a", "b"}, *, scale) -> {"sum"}
    ARGS[0]  ARGS[1][a]  ARGS[1][b]  KWARGSscale     or INPUT__0 ... INPUT__3
    RESULT[sum]                                      or OUTPUT__0

Source: PyTorch backend, src/pt2/model_state.cc (LoadModel) and call_spec.cc (get_names); PyTorch,
aoti_package/model_package_loader.cpp.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild.validate.modelfiles.archive import opened
from trtbuild.validate.modelfiles.interface import DamagedFileError, remembered

NAME = "model"  # of the compiled model in the package: the only one that Triton asks for
_COMPILED = re.compile(r"(?:^|/)data/aotinductor/([^/]+)/(.+\.(?:so|cpp))$")
_EXPORTED = re.compile(r"(?:^|/)(models/[^/]+\.json|serialized_exported_program\.json)$")
_SPEC = re.compile(rb'\b(in|out)_spec_ = R"\((.*)\)";\s*$')
_MAX_LINE_BYTES = 1 << 20
_MAX_SOURCE_BYTES = 64 << 20  # of C++ that is looked through, whatever the archive says it holds


class Structure(NamedTuple):
    """The names that Triton's backend makes of a package's arguments and results, in order."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@remembered
def read_structure(path: Path) -> Structure | None:
    """The names of a package; None where it lacks the source that tells them.

    Raises `DamagedFileError` for a file that PyTorch's loader refuses, saying what it is.
    """
    with opened(path, "package of AOTInductor") as archive:
        return _structure(archive)


def _structure(archive: zipfile.ZipFile) -> Structure | None:
    names = archive.namelist()
    compiled = [(match[1], name) for name in names if (match := _COMPILED.search(name))]
    if not compiled:
        raise DamagedFileError(_what_else(names))
    sources = [name for model, name in compiled if model == NAME]
    if not sources:
        others = ", ".join(sorted({model for model, _ in compiled}))
        raise DamagedFileError(
            f"it holds the compiled model '{others}', and Triton asks for one called '{NAME}'"
        )
    specs: dict[bytes, bytes] = {}
    for source in sources:
        if source.endswith(".cpp") and len(specs) < 2:
            specs.update(_specs(archive, source))
    return _named(specs[b"in"], specs[b"out"]) if len(specs) == 2 else None


def _what_else(names: list[str]) -> str:
    """What a zip file is that holds no compiled model, and what to do with it."""
    if any(map(_EXPORTED.search, names)):
        return (
            "it holds an exported program that is not compiled yet: compile it with "
            "torch._inductor.aoti_compile_and_package(torch.export.load(...))"
        )
    if any(name.endswith("/data.pkl") for name in names):
        return 'it is a TorchScript file or a checkpoint: platform: "pytorch_libtorch" reads those'
    return "it holds no compiled model: there is no data/aotinductor in it"


def _specs(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[bytes, bytes]]:
    """`in` and `out` with their JSON, from C++ source read line by line."""
    with archive.open(name) as source:
        left = _MAX_SOURCE_BYTES
        while left > 0 and (line := source.readline(_MAX_LINE_BYTES)):
            left -= len(line)
            if match := _SPEC.search(line):
                yield match[1], match[2]


def _named(inputs: bytes, outputs: bytes) -> Structure | None:
    try:
        positional, keywords = json.loads(inputs)[1]["children_spec"]
        named = [f"KWARGS{key}" for key in _keys(keywords)]
        return Structure(
            (*_leaves(positional, "ARGS", ()), *named),
            tuple(_leaves(json.loads(outputs)[1], "RESULT", ("RESULT",))),
        )
    except (ValueError, LookupError, TypeError, RecursionError):  # no structure that we know
        return None


def _keys(spec: Any) -> list[str]:
    """The keys of a dict's spec, which stand as JSON in a string."""
    context = spec["context"]
    return [str(key) for key in (json.loads(context) if isinstance(context, str) else context)]


def _leaves(spec: Any, path: str, alone: tuple[str, ...]) -> Iterator[str]:
    """The names below `path`; `alone` where `spec` is a tensor or empty itself."""
    children = spec["children_spec"]
    if not children:
        yield from alone
        return
    keys = _keys(spec) if spec["type"] == "builtins.dict" else list(map(str, range(len(children))))
    for key, child in zip(keys, children, strict=True):
        below = f"{path}[{key}]"
        yield from _leaves(child, below, (below,))
