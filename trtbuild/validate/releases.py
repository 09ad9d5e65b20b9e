"""Triton's releases: what of them a repository has to fit.

Sources: the branches r23.11 to r26.08 of triton-inference-server: server (TRITON_VERSION, build.py
for ONNX Runtime, docs/introduction/compatibility.md for Python) and common (model_config.proto).
Which opset and IR version an ONNX Runtime takes: its compatibility page up to 1.20, and from there
on its own packages, asked with models of each. 26.09 and 26.10 are known by their numbers alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trtbuild.errors import UsageError


class Release(NamedTuple):
    """One release: the container's name, the server's version and what comes with them."""

    name: str  # of the container, "24.10": releases are in the order of these
    version: str  # of the server, "2.51"
    onnxruntime: str  # "1.19"; "": not known
    python: tuple[int, int]  # of the Python backend

    def __str__(self) -> str:
        return f"{self.name} ({self.version})"


_ONNXRUNTIME = {
    "23.11": "1.16",
    "24.03": "1.17",
    "24.05": "1.18",
    "24.08": "1.19",
    "24.12": "1.20",
    "25.03": "1.21",
    "25.05": "1.22",
    "25.08": "1.23",
    "26.02": "1.24",
    "26.07": "1.27",
    "26.08": "1.28",
    "26.09": "",
}
# ONNX Runtime -> the newest opset and IR version of models that it loads.
OPSETS = {
    "1.16": (19, 9),
    "1.17": (20, 9),
    "1.18": (21, 10),
    "1.19": (21, 10),
    "1.20": (21, 10),
    "1.21": (22, 10),
    "1.22": (22, 10),
    "1.23": (23, 11),
    "1.24": (25, 13),
    "1.27": (26, 13),
    "1.28": (26, 13),
}
_PATCHES = {"25.07": "2.59.1"}  # the one month without a minor version of its own


def _releases() -> tuple[Release, ...]:
    found = []
    onnxruntime, minor = "", 40
    for year, month in ((y, m) for y in (23, 24, 25, 26) for m in range(1, 13)):
        name = f"{year}.{month:02d}"
        if not "23.11" <= name <= "26.10":
            continue
        onnxruntime = _ONNXRUNTIME.get(name, onnxruntime)
        python = (3, 12) if name >= "24.12" else (3, 10)
        found.append(Release(name, _PATCHES.get(name, f"2.{minor}"), onnxruntime, python))
        minor += f"{year}.{month + 1:02d}" not in _PATCHES
    return tuple(found)


RELEASES = _releases()
_BY_WORD = {word: r for r in RELEASES for word in (r.name, r.version)}
_WORD = re.compile(r"(?:.*tritonserver:)?v?(\d\d\.\d\d|2\.\d+(?:\.\d+)?)(?:-[\w.-]+)?")


def release_from_text(text: str) -> Release:
    """The release that `24.10`, `2.51`, `v2.51.0` or the name of an image means.

    Raises `UsageError` for another one.
    """
    match = _WORD.fullmatch(text.strip())
    word = match[1] if match else ""
    found = _BY_WORD.get(word) or _BY_WORD.get(word.removesuffix(".0"))
    if found is None:
        raise UsageError(
            f"no release of Triton that is known here is called '{text}'",
            f"give one from {RELEASES[0]} to {RELEASES[-1]}, by the container's name or the "
            "server's version",
        )
    return found


def named(name: str) -> Release:
    """The release `24.10`; names in rules are known to be right."""
    return _BY_WORD[name]
