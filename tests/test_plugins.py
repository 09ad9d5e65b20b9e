from pathlib import Path

from trtbuild.plugins import PluginCreator, PluginFile


def test_a_python_file_is_known_by_its_name() -> None:
    assert PluginFile(Path("/a/b.py"), "").is_python
    assert not PluginFile(Path("/a/b.py.so"), "").is_python


def test_a_creator_as_text() -> None:
    assert str(PluginCreator("Roll", "1", "")) == "Roll (version 1)"
    assert str(PluginCreator("Roll", "2", "acme")) == "Roll (version 2, namespace acme)"
