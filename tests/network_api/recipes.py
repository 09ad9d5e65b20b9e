"""The recipes that define a network with TensorRT's API, as users would run them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

RECIPES = Path(__file__).parents[2] / "recipes"
WEIGHTS = {"mlp": "mlp.safetensors", "lenet": "lenet.wts"}


def weights_of(name: str, folder: Path) -> Path:
    """The file that the recipe's `source.py` writes."""
    subprocess.run([sys.executable, RECIPES / f"{name}_api/source.py", folder], check=True)
    return folder / WEIGHTS[name]


def location(name: str, function: str) -> str:
    return f"{RECIPES}/{name}_api/net.py:{function}"


def module(name: str) -> Any:
    """The recipe's `net.py`, whose NumPy part needs no TensorRT."""
    spec = importlib.util.spec_from_file_location(f"{name}_net", RECIPES / f"{name}_api/net.py")
    assert spec is not None
    assert spec.loader is not None
    made: ModuleType = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"tensorrt": SimpleNamespace()}):
        spec.loader.exec_module(made)
    return made
