"""The wheel, installed as a user would into an environment that has nothing else."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import onnx
import pytest

from trtbuild.capability import Capability

ROOT = Path(__file__).parent.parent
MODEL = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], text=True, capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "trtbuild/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"trtbuild", "trtserve"}
    assert [name for name in names if name.endswith("LICENSE")]


@pytest.mark.slow
def test_the_wheel_with_the_rtx_extra_converts_an_onnx_model(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python, trtbuild = (tmp_path / "venv/bin" / name for name in ("python", "trtbuild"))
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[rtx]")
    assert "convert" in run(trtbuild, "--help")
    repo = tmp_path / "repo"
    run(trtbuild, "convert", MODEL, "--repo", repo, "--target", "8.6")
    model = repo / "light_squeezenet"
    assert (model / "config.pbtxt").exists()
    assert (model / "1" / "model.onnx").exists()
    assert [path.name for path in (model / "1").glob("*.plan")] == ["model.sm86.plan"]
    assert str(Capability(8, 6)) in run(trtbuild, "repo", "show", repo)
