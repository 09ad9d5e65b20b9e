import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.plugins import stand_in
from trtbuild import plugin_registry
from trtbuild.errors import PlanError
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.plugin_registry import creators_of, fill_registry, load_plugin, missing_creators
from trtbuild.plugins import PluginCreator, PluginFile, UsedPlugin

LIBRARY = Path(msgspec._core.__file__)
REGISTERS = """
import tensorrt
tensorrt.get_plugin_registry().register_creator(tensorrt.Creator("Roll", "2", "acme"), "acme")
"""


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A TensorRT with nothing loaded; what plugins do to this process is undone."""
    monkeypatch.setattr(plugin_registry, "_loaded", {})
    monkeypatch.setattr(plugin_registry, "_whole", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    sys.modules.pop("tensorrt", None)
    yield stand_in.tensorrt()
    sys.modules.clear()
    sys.modules.update(modules)


def file(path: Path, text: str) -> PluginFile:
    path.write_text(text)
    return plugins_from_paths([path])[0]


def test_a_python_file_imports_the_tensorrt_of_the_process(tmp_path: Path, trt: Any) -> None:
    loaded = load_plugin(trt, plugin := file(tmp_path / "ops.py", REGISTERS))
    assert loaded == (plugin, "import", (PluginCreator("Roll", "2", "acme"),))


def test_a_python_file_may_import_its_neighbours(tmp_path: Path, trt: Any) -> None:
    (tmp_path / "beside_the_plugin.py").write_text('NAME = "Roll"\n')
    text = REGISTERS.replace('"Roll"', "beside_the_plugin.NAME")
    loaded = load_plugin(trt, file(tmp_path / "ops.py", f"import beside_the_plugin\n{text}"))
    assert loaded.creators[0].name == "Roll"


def test_tensorrts_own_come_once_and_after_the_users(tmp_path: Path, trt: Any) -> None:
    text = REGISTERS.replace('"Roll", "2", "acme"', '"EfficientNMS_TRT", "9"')
    files = (file(tmp_path / "ops.py", text), file(tmp_path / "more.py", REGISTERS))
    loaded = fill_registry(trt, None, files)
    assert [each.creators[0].name for each in loaded] == ["EfficientNMS_TRT", "Roll"]
    assert fill_registry(trt, None, files) == loaded
    names = [each.name for each in trt.get_plugin_registry().all_creators]
    assert names == ["InstanceNormalization_TRT", "EfficientNMS_TRT", "Roll", "EfficientNMS_TRT"]


def test_a_file_is_named_before_its_code_runs(
    tmp_path: Path, trt: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"import sys; sys.stderr.write('running')\n{REGISTERS}"
    load_plugin(trt, file(tmp_path / "ops.py", text))
    assert capsys.readouterr().err == f"loading plugin {tmp_path}/ops.py\nrunning"


def test_creators_that_a_plan_needs_and_nothing_registers(trt: Any) -> None:
    needs = (PluginCreator("InstanceNormalization_TRT", "1", ""), PluginCreator("Roll", "1", ""))
    assert missing_creators(trt, UsedPlugin("a.so", "", "opening", needs)) == needs[1:]


def test_a_file_is_loaded_once(tmp_path: Path, trt: Any) -> None:
    plugin = file(tmp_path / "ops.py", REGISTERS)
    assert load_plugin(trt, plugin) is load_plugin(trt, plugin)
    assert len(creators_of(trt)) == 2


def test_a_library_that_registers_itself(trt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = ctypes.CDLL

    def registering(path: str, mode: int) -> ctypes.CDLL:
        trt.get_plugin_registry().register_creator(stand_in.Creator("Roll"), "")
        return opened(path, mode=mode)

    monkeypatch.setattr(ctypes, "CDLL", registering)
    loaded = load_plugin(trt, plugins_from_paths([LIBRARY])[0])
    assert loaded[1:] == ("opening", (PluginCreator("Roll", "1", ""),))
    assert trt.get_plugin_registry().libraries == []


@pytest.fixture
def by_creators(trt: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(plugin_registry, "_EXPORTS", ("getCreators", "PyInit__core"))
    trt.get_plugin_registry().brings = [stand_in.Creator("Roll")]
    return trt


def test_a_library_whose_creators_are_asked_for(by_creators: Any) -> None:
    loaded = load_plugin(by_creators, plugins_from_paths([LIBRARY])[0])
    assert loaded[1:] == ("getCreators", (PluginCreator("Roll", "1", ""),))
    assert by_creators.get_plugin_registry().libraries == [str(LIBRARY)]


def test_creators_that_tensorrt_does_not_take(by_creators: Any) -> None:
    by_creators.get_plugin_registry().handle = None
    with pytest.raises(PlanError, match=r"TensorRT 10.6.0 does not take the creators") as caught:
        load_plugin(by_creators, plugins_from_paths([LIBRARY])[0])
    assert "registered already" in caught.value.hint


def test_files_that_register_nothing(tmp_path: Path, trt: Any) -> None:
    with pytest.raises(PlanError, match=r"no creator and exports neither getCreators nor"):
        load_plugin(trt, plugins_from_paths([LIBRARY])[0])
    with pytest.raises(PlanError, match=r"ops.py' loads, but registers no creator\n") as caught:
        load_plugin(trt, file(tmp_path / "ops.py", "x = 1\n"))
    assert "REGISTER_TENSORRT_PLUGIN" in caught.value.hint


def test_a_python_file_that_fails_says_where(tmp_path: Path, trt: Any) -> None:
    plugin = file(tmp_path / "ops.py", "import tensorrt\ntensorrt.no_such_thing()\n")
    with pytest.raises(
        PlanError, match=r"ops.py' fails .*: AttributeError: .*ops.py, line 2, in <module>\)"
    ):
        load_plugin(trt, plugin)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "libnvinfer.so.8: cannot open shared object file: No such file or directory",
            "it was linked with TensorRT 8: compile and link it with 10.6.0",
        ),
        ("/p/a.so: undefined symbol: getPluginRegistry", "link it with TensorRT: -lnvinfer"),
        (
            "/p/a.so: undefined symbol: _ZN8nvinfer17IPluginD2Ev",
            "compile it against the headers of TensorRT 10.6.0, and link what it uses",
        ),
        (
            "libcublas.so.11: cannot open shared object file: No such file or directory",
            "`ldd` shows what it needs and does not find",
        ),
    ],
)
def test_what_the_dynamic_linker_says_becomes_the_next_step(
    trt: Any, monkeypatch: pytest.MonkeyPatch, said: str, hint: str
) -> None:
    def refusing(path: str, mode: int) -> None:
        raise OSError(said)

    monkeypatch.setattr(ctypes, "CDLL", refusing)
    with pytest.raises(PlanError) as caught:
        load_plugin(trt, plugins_from_paths([LIBRARY])[0])
    assert caught.value.message == f"the plugin '{LIBRARY}' does not load: {said}"
    assert caught.value.hint == hint
