import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from trtbuild.errors import SourceError
from trtbuild.users_code import (
    function_in,
    import_code,
    kind_of,
    split_factory,
    tensorrt_is,
    users_errors,
)


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What imports do to this process is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    yield
    sys.modules.clear()
    sys.modules.update(modules)


def code(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_file_finds_its_neighbours_and_hides_no_module(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUE = 3\n")
    module = import_code(code(tmp_path / "json.py", "import beside_it\nx = beside_it.VALUE\n"))
    assert module.x == 3
    assert sys.modules["json"] is not module


def test_a_module_is_found_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_net.py").write_text("x = 4\n")
    assert import_code("their_net").x == 4


def test_a_name_that_cannot_be_called_is_told_with_those_that_can(tmp_path: Path) -> None:
    text = "x = 1\ndef define(): pass\nclass Net:\n    def make(self): pass\n"
    module = import_code(code(tmp_path / "net.py", text))
    assert function_in(module, "Net.make", "net.py:Net.make") is module.Net.make
    with pytest.raises(SourceError, match=r"'net.py:x' cannot be called: it is a int") as caught:
        function_in(module, "x", "net.py:x")
    assert caught.value.hint == "its functions and classes are: define, Net"
    with pytest.raises(SourceError, match="there is no such name"):
        function_in(module, "y", "net.py:y")


def test_errors_are_told_with_the_users_line(tmp_path: Path) -> None:
    file = code(tmp_path / "net.py", "def define():\n    return {}['w']\n")
    module = import_code(file)
    with pytest.raises(SourceError) as caught, users_errors("net.py:define", file):
        module.define()
    assert caught.value.message == (
        f"'net.py:define' failed: KeyError: 'w' ({file}, line 2, in define)"
    )


def test_tensorrt_is_the_one_of_the_process() -> None:
    sys.modules.pop("tensorrt", None)
    here = ModuleType("tensorrt_of_some_package")
    tensorrt_is(here)
    import tensorrt  # type: ignore[import-not-found]

    assert tensorrt is here


def test_locations_and_kinds() -> None:
    assert split_factory("net.py:define") == ("net.py", "define")
    assert split_factory("package.net:define") == ("package.net", "define")
    assert split_factory("net.onnx") == ("net.onnx", "")
    assert (kind_of(None), kind_of({})) == ("None", "a dict")
