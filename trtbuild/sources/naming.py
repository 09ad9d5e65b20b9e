"""A model name for the repository, made from where the model lies."""

from __future__ import annotations

import re
from pathlib import Path

from trtbuild.users_code import split_factory

# Words that say what a file is for, not which model it holds: then its folder's name is better.
_SAYS_NOTHING = frozenset(
    (
        "build",
        "create",
        "export",
        "exported",
        "factory",
        "frozen",
        "frozen_graph",
        "get_model",
        "graph",
        "load",
        "load_model",
        "main",
        "make",
        "make_model",
        "model",
        "models",
        "net",
        "network",
        "saved_model",
        "savedmodel",
        "source",
    )
)
_SUFFIXES = re.compile(
    r"\.(onnx|pb|pbtxt|h5|hdf5|keras|pt|pth|pt2|ts|py|graphdef|savedmodel|torchscript)$", re.I
)


def name_from_location(location: str) -> str:
    """A name that Triton takes as a folder and as a model: letters, digits, `_`, `-`, `.`.

    `nets/resnet50/1/model.onnx` and `resnet50/source.py:factory` give `resnet50`.
    """
    path, factory = split_factory(location)
    parts = path.split(".") if factory and not path.endswith(".py") else _path_parts(path)
    for part in (factory, *reversed(parts)):
        word = _stem(part)
        if word and word.lower() not in _SAYS_NOTHING and not word.isdecimal():
            return word
    return "model"


def _path_parts(path: str) -> tuple[str, ...]:
    return Path(path).absolute().parts[1:]


def _stem(part: str) -> str:
    while (shorter := _SUFFIXES.sub("", part)) not in (part, ""):
        part = shorter
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", part).strip("_.-")
