import ast
import subprocess
import sys

import pytest

from tests.sources.conftest import ROOT
from trtbuild.sources import SOURCES


@pytest.mark.parametrize("kind", SOURCES)
def test_each_kind_is_a_class_of_one_file(kind: str) -> None:
    module, _, name = SOURCES[kind].partition(":")
    tree = ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text())
    [source] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    methods = {n.name for n in source.body if isinstance(n, ast.FunctionDef)}
    assert {"__init__", "export", "run"} <= methods


def test_what_the_parent_needs_is_light() -> None:
    """Neither a framework nor numpy: a warm cache answers in less time than they take to import."""
    code = (
        "import sys, trtbuild.sources.identify, trtbuild.sources.options\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"numpy", "onnx", "onnxruntime", "tensorflow", "torch", "keras", "google", "h5py"}
    assert not heavy & set(done.stdout.split())
