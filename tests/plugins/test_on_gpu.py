"""Plugins of our own, in C++ and in Python: built into a plan, served and asked, on a GPU.

The C++ one is compiled here, against the headers that $TRTBUILD_TENSORRT_INCLUDE names (those of
github.com/NVIDIA/TensorRT, `include`, of the release that is installed).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugins.models import expected, softsign_model, suppressing_model
from tests.server_process import served
from tests.with_tensorrt import shared_folder
from trtbuild import device
from trtbuild.artifacts import Conversion
from trtbuild.errors import TrtbuildError
from trtbuild.pipeline import convert
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.plugins import PluginCreator
from trtbuild.repository.lock import read_lock
from trtbuild.request import ConvertRequest

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("shared_store")]
HERE = Path(__file__).parent
CREATOR = PluginCreator("ScaledSoftsign", "1", "")


@pytest.fixture(scope="module")
def runtime() -> RuntimeInfo:
    try:
        return choose_runtime("tensorrt", device.gpus())
    except TrtbuildError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, runtime: RuntimeInfo) -> dict[str, Path]:
    """The C++ plugin in its variants, by name."""
    include, nvcc = os.environ.get("TRTBUILD_TENSORRT_INCLUDE"), shutil.which("nvcc")
    if not include or not nvcc:
        pytest.skip("no nvcc, or TRTBUILD_TENSORRT_INCLUDE names no headers of TensorRT")
    folder = shared_folder(tmp_path_factory, "compiled")
    variants: dict[str, tuple[str, ...]] = {
        "own": (), "creators": ("-DBY_CREATORS",), "silent": ("-DSILENT",), "unlinked": ()
    }  # fmt: skip
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of the run compiles, the others wait
        if not (folder / "done").exists():
            _compile(variants, nvcc, include, folder)
            (folder / "done").touch()
    return {name: folder / f"lib{name}.so" for name in variants}


def _compile(variants: dict[str, tuple[str, ...]], nvcc: str, include: str, folder: Path) -> None:
    link = _link_options()
    running = {
        name: subprocess.Popen(
            [nvcc, "-w", "-arch=native", "-std=c++17", "-shared", "-Xcompiler", "-fPIC",
             "-I", include, *options, str(HERE / "scaled_softsign.cu"),
             "-o", str(folder / f"lib{name}.so"),
             *([] if name == "unlinked" else link)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for name, options in variants.items()
    }  # fmt: skip
    said = {name: process.communicate()[0] for name, process in running.items()}
    assert not any(process.returncode for process in running.values()), said


def _link_options() -> list[str]:
    """libnvinfer.so.10 where the loader finds it: there need be no libnvinfer.so to link with."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in filter(None, folders):
        for library in sorted(Path(folder).glob("libnvinfer.so.*")):
            return ["-Xlinker", str(library)]
    return ["-lnvinfer"]


@pytest.fixture(params=["C++", "C++ by getCreators", "Python"])
def plugin(request: pytest.FixtureRequest) -> Path:
    if request.param == "Python":
        return HERE / "scaled_softsign.py"
    libraries: dict[str, Path] = request.getfixturevalue("compiled")
    return libraries["own" if request.param == "C++" else "creators"]


def converted(tmp_path: Path, *plugins: Path, repo: str = "repo") -> Conversion:
    source = softsign_model(tmp_path / "softsign.onnx")
    return convert(
        ConvertRequest(
            source=str(source), repo=tmp_path / repo, runtime="tensorrt", plugins=plugins
        )
    )


def serving(repo: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "trtbuild", "serve", str(repo), *options]


@pytest.mark.usefixtures("runtime")
def test_a_model_with_a_plugin_is_built_and_served(tmp_path: Path, plugin: Path) -> None:
    result = converted(tmp_path, plugin)
    (plan,) = result.plans
    (used,) = plan.plugins
    assert (used.file, used.creators) == (plugin.name, (CREATOR,))
    lock = read_lock(result.directory / str(result.version))
    assert lock is not None
    assert lock.plans[0].plugins == plan.plugins
    assert f'plugins="{plugin.name}"' in result.config
    assert all("ONNX Runtime has no acme::ScaledSoftsign" in why
               for why in result.report.not_run.values())  # fmt: skip
    assert set(result.report.not_run) == {"onnx vs ONNX", f"plan {plan.targets[0]}"}
    with served(tmp_path / "repo", "--plugins", str(plugin)) as ask:
        for rows in (1, 4):
            x = np.linspace(-3, 3, 4 * rows, dtype=np.float32).reshape(rows, 4)
            answer = ask(result.name, {"x": x})["y"]
            np.testing.assert_allclose(answer, expected(x), rtol=1e-5)


@pytest.mark.usefixtures("runtime")
def test_tensorrts_own_plugins_need_no_option(tmp_path: Path) -> None:
    """Two boxes that overlap and one apart: the better of the two, and the other, are left."""
    boxes = np.array([[[0, 0, 10, 9], [20, 20, 30, 30], [0, 0, 10, 10]]], np.float32)
    scores = np.array([[[0.75], [0.5], [0.875]]], np.float32)
    inputs = {"boxes": boxes, "scores": scores}
    outputs = {
        "count": np.array([[2]], np.int32),
        "kept": boxes[:, [2, 1]],
        "kept_scores": scores[:, [2, 1], 0],
        "classes": np.zeros((1, 2), np.int32),
    }
    samples: dict[str, Any] = inputs | outputs
    np.savez(tmp_path / "samples.npz", **samples)
    request = ConvertRequest(
        source=str(suppressing_model(tmp_path / "nms.onnx")), repo=tmp_path / "repo",
        runtime="tensorrt", samples=tmp_path / "samples.npz",
    )  # fmt: skip
    result = convert(request)
    assert result.plans[0].plugins == ()
    assert {(one.tensor, one.passed) for one in result.report.comparisons} == {
        (name, True) for name in outputs
    }
    with served(tmp_path / "repo") as ask:
        answer = ask(result.name, inputs)
    for name, wanted in outputs.items():
        np.testing.assert_allclose(answer[name], wanted, rtol=1e-3)


@pytest.mark.parametrize("command", ["inspect", "bench", "verify"])
def test_what_loads_the_plan_later_takes_its_plugin(
    command: str, tmp_path: Path, compiled: dict[str, Path]
) -> None:
    result = converted(tmp_path, compiled["own"])
    plan = result.directory / str(result.version) / result.plans[0].file
    x = np.linspace(-3, 3, 8, dtype=np.float32).reshape(2, 4)
    np.savez(tmp_path / "samples.npz", x=x, y=expected(x))
    given = {
        "inspect": [str(plan)],
        "bench": [str(plan), "--duration", "0", "--batch", "2"],
        "verify": [str(result.directory), "--samples", str(tmp_path / "samples.npz")],
    }[command]
    without, done = (
        subprocess.run(
            [sys.executable, "-m", "trtbuild", command, *given, *more],
            capture_output=True, text=True, check=False,
        )
        for more in ([], ["--plugins", str(compiled["own"])])
    )  # fmt: skip
    assert "needs the plugin ScaledSoftsign (version 1)" in without.stdout + without.stderr
    assert "--plugins libown.so" in without.stdout + without.stderr
    assert without.returncode == (0 if command == "inspect" else 1)
    assert done.returncode == 0, done.stderr
    assert {"inspect": "PluginV3", "bench": "queries/s", "verify": "samples vs plan"}[
        command
    ] in done.stdout


@pytest.mark.usefixtures("runtime")
def test_a_plan_that_needs_a_plugin_is_refused_without_it(tmp_path: Path) -> None:
    python = HERE / "scaled_softsign.py"
    converted(tmp_path, python)
    check = subprocess.run(
        serving(tmp_path / "repo", "--check", "--fallback", "none"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 1
    assert "needs the plugin ScaledSoftsign (version 1), which nothing registers" in check.stdout
    assert "--plugins scaled_softsign.py" in check.stdout


@pytest.mark.usefixtures("runtime")
def test_without_its_plugin_a_model_is_refused_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(TrtbuildError, match="ScaledSoftsign") as caught:
        converted(tmp_path)
    assert "--plugins FILE.so" in caught.value.hint


@pytest.mark.usefixtures("runtime")
def test_libraries_that_do_not_load_say_why(tmp_path: Path, compiled: dict[str, Path]) -> None:
    with pytest.raises(TrtbuildError, match=r"libsilent.so' loads, but registers no creator"):
        converted(tmp_path, compiled["silent"])
    with pytest.raises(TrtbuildError, match="undefined symbol: getPluginRegistry") as caught:
        converted(tmp_path, compiled["unlinked"])
    assert caught.value.hint == "link it with TensorRT: -lnvinfer"


@pytest.mark.usefixtures("runtime")
def test_a_plugin_that_is_not_needed_is_noted(tmp_path: Path, compiled: dict[str, Path]) -> None:
    from tests.models import linear

    request = ConvertRequest(
        source=str(linear(tmp_path / "linear.onnx")), repo=tmp_path / "repo",
        runtime="tensorrt", plugins=(compiled["own"],),
    )  # fmt: skip
    (plan,) = convert(request).plans
    assert plan.plugins == ()
    assert any("no layer uses the plugin libown.so" in note for note in plan.notes)
