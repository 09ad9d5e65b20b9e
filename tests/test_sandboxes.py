"""Which workers of a run are in a sandbox, and that conversions work in it."""

from pathlib import Path

import pytest

from tests.models import linear
from trtbuild.artifacts import SourceRef
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.request import ConvertRequest
from trtbuild.sandboxes import Folders, of_builds, of_frameworks
from trtbuild.sources.identify import identify
from trtbuild.stage_options import StageOptions, options_of_stages
from trtbuild.steps import Run
from trtbuild.workers.sandbox import support

FOLDERS = Folders(Path("/store"), Path("/store/partial/x"), Path("/scratch"))
RTX = RuntimeInfo("tensorrt-rtx", "tensorrt-rtx", "tensorrt_rtx", "1.7.1", ())


def options(kind: str, **more: object) -> StageOptions:
    request = ConvertRequest(source="m", repo=Path(), **more)  # type: ignore[arg-type] # its own
    return options_of_stages(request, kind)


def source(kind: str) -> SourceRef:
    return SourceRef(kind, "/models/m", "m", None)


@pytest.mark.parametrize("kind", ["savedmodel", "graphdef", "keras", "torchscript", "exported"])
def test_somebodys_model_runs_in_a_sandbox(kind: str) -> None:
    found = of_frameworks(source(kind), options(kind), FOLDERS)
    assert found is not None
    assert found.read == ("/store", "/models/m")
    assert found.write == ("/store/partial/x", "/scratch")
    assert not found.gpu
    assert of_frameworks(source(kind), options(kind, trust_source=True), FOLDERS) is None


@pytest.mark.parametrize("kind", ["torch", "network"])
def test_the_users_own_code_does_not(kind: str) -> None:
    assert of_frameworks(source(kind), options(kind), FOLDERS) is None


def test_builds_without_a_gpu_run_in_one(tmp_path: Path) -> None:
    assert of_builds(source("onnx"), RTX, options("onnx"), FOLDERS) is not None
    gpu = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.6.0", ())
    assert of_builds(source("onnx"), gpu, options("onnx"), FOLDERS) is None
    assert PlanOptions().plugins == ()


def test_an_onnx_file_brings_its_weights(tmp_path: Path) -> None:
    found = of_frameworks(identify(str(external(tmp_path))), options("onnx"), FOLDERS)
    assert found is not None
    assert found.read == ("/store", str(tmp_path / "m.onnx"), str(tmp_path / "w.bin"))


def external(folder: Path) -> Path:
    import onnx

    path = folder / "m.onnx"
    onnx.save(
        onnx.load(linear(folder / "plain.onnx")),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    return path


@pytest.mark.skipif(not support().landlock, reason="this kernel has no Landlock")
def test_a_run_hides_what_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker that would run somebody's model tries to read and write the user's files."""
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("secret")
    path = linear(tmp_path / "m.onnx")
    ref, touch = identify(str(path)), "tests.workers.calls:touch"
    with Run(ref, None, options("onnx"), lambda _: None) as run:
        model = run.operate(run.export()).model
        assert run.call(touch, str, how="read", path=str(home / ".netrc")) == "EACCES"
        assert run.call(touch, str, how="write", path=str(home / ".bashrc")) == "EACCES"
        assert run.call(touch, str, how="write", path=str(path)) == "EACCES"
        assert isinstance(model.path, Path)  # type: ignore[union-attr] # an OnnxModel
        entry = model.path  # type: ignore[union-attr] # an OnnxModel
        assert run.call(touch, str, how="read", path=str(entry)) == "done"
        assert run.call(touch, str, how="write", path=str(entry)) == "EACCES"
        other_run = str(tmp_path / "cache/partial/other")
        assert run.call(touch, str, how="write", path=other_run) == "EACCES"
    assert not list((tmp_path / "cache/partial").iterdir())
