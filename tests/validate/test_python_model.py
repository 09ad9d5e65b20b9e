"""model.py by its syntax tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.validate.python_model import auto_completes, call_problem, read_python_model

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
    "head", ["def f():", "class A:", "if False:", "if not True:", "if __name__ == '__main__':"]
)
def test_a_class_that_is_not_the_modules_does_not_count(tmp_path: Path, head: str) -> None:
    model = read(tmp_path, head + "\n    " + PLAIN.replace("\n", "\n    "))
    assert (model.found, model.named) == (False, False)


def test_the_last_definition_counts(tmp_path: Path) -> None:
    model = read(tmp_path, PLAIN + "class TritonPythonModel:\n    execute = None\n")
    assert (model.line, model.methods, set(model.attributes)) == (3, {}, {"execute"})


def test_of_two_that_may_be_there_neither_is_looked_into(tmp_path: Path) -> None:
    inner = "    " + PLAIN.replace("\n", "\n    ")
    model = read(tmp_path, f"import x\nif x.y:\n{inner}\nelse:\n{inner}")
    assert (model.found, model.named) == (False, True)


@pytest.mark.parametrize(
    ("signature", "given", "problem"),
    [
        ("self, a", 2, ""),
        ("self, *a", 1, ""),
        ("self, a=1", 1, ""),
        ("self", 2, "is called with 2 arguments and takes 1"),
        ("self, a, b=1", 1, "is called with 1 argument and takes 2 to 3"),
        ("self, *, a", 1, "is called without its argument 'a'"),
    ],
)
def test_calls(tmp_path: Path, signature: str, given: int, problem: str) -> None:
    model = read(tmp_path, f"class TritonPythonModel:\n    def f({signature}): ...\n")
    assert call_problem(model.methods["f"], given) == problem


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
