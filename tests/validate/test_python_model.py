"""model.py by its syntax tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.validate.python_model import auto_completes, read_python_model

PLAIN = "class TritonPythonModel:\n    def execute(self, requests): ...\n"


def read(tmp_path: Path, text: str | bytes):  # type: ignore[no-untyped-def]  # test helper
    path = tmp_path / "model.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_python_model(path)


def test_finds_class_and_methods(tmp_path: Path) -> None:
    model = read(tmp_path, "import x\n" + PLAIN)
    assert (model.found, model.line, sorted(model.methods)) == (True, 2, ["execute"])


def test_a_class_inside_a_condition_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "if True:\n    " + PLAIN.replace("\n", "\n    ")).found


@pytest.mark.parametrize(
    "text",
    ["from base import TritonPythonModel", "from base import *", "TritonPythonModel = object"],
)
def test_a_name_from_elsewhere_is_not_looked_into(tmp_path: Path, text: str) -> None:
    model = read(tmp_path, text)
    assert (model.found, model.named) == (False, True)


@pytest.mark.parametrize("text", ["class (", "\0", b"\xff\xfe", "(" * 5000, "x" + "+x" * 50_000])
def test_what_is_no_python_is_a_problem_and_no_exception(tmp_path: Path, text: str | bytes) -> None:
    model = read(tmp_path, text)
    assert model.problem or not model.found


def test_auto_completes(tmp_path: Path) -> None:
    assert not auto_completes(tmp_path / "model.py")
    read(tmp_path, PLAIN)
    assert not auto_completes(tmp_path / "model.py")
    read(tmp_path, PLAIN + "    def auto_complete_config(c): ...\n")
    assert auto_completes(tmp_path / "model.py")
    read(tmp_path, PLAIN + "# auto_complete_config\n")
    assert not auto_completes(tmp_path / "model.py")
