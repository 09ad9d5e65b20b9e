"""Plugins of our own, in C++ and in Python: built into a plan, served and asked, on a GPU.

The C++ one is compiled here, against the headers that $TRTBUILD_TENSORRT_INCLUDE names (those of
github.com/NVIDIA/TensorRT, `include`, of the release that is installed).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugins.models import expected, softsign_model
from trtbuild import device
from trtbuild.artifacts import Conversion
from trtbuild.errors import TrtbuildError
from trtbuild.pipeline import convert
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.plugins import PluginCreator
from trtbuild.repository.lock import read_lock
from trtbuild.request import ConvertRequest

pytestmark = pytest.mark.gpu
HERE = Path(__file__).parent
Array = np.ndarray[Any, np.dtype[np.float32]]
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
    folder = tmp_path_factory.mktemp("compiled")
    variants = {"own": (), "creators": ("-DBY_CREATORS",), "silent": ("-DSILENT",), "unlinked": ()}
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
    return {name: folder / f"lib{name}.so" for name in variants}


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


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))


def converted(tmp_path: Path, *plugins: Path, repo: str = "repo") -> Conversion:
    source = softsign_model(tmp_path / "softsign.onnx")
    return convert(
        ConvertRequest(
            source=str(source), repo=tmp_path / repo, runtime="tensorrt", plugins=plugins
        )
    )


def serving(repo: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "trtbuild", "serve", str(repo), *options]


def asked(port: int, model: str, x: Array) -> Array:
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/{model}/infer",
        json.dumps({"inputs": [tensor]}).encode(),
    )
    with urllib.request.urlopen(request) as response:
        output = json.load(response)["outputs"][0]
    values: Array = np.array(output["data"], np.float32).reshape(output["shape"])
    return values


def wait_until_ready(server: subprocess.Popen[Any], port: int) -> None:
    while True:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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
    port = free_port()
    options = ("--plugins", str(plugin), "--http-port", str(port),
               "--grpc-port", "-1", "--metrics-port", "-1", "--fallback", "none")  # fmt: skip
    with subprocess.Popen(serving(tmp_path / "repo", *options)) as server:
        try:
            wait_until_ready(server, port)
            for rows in (1, 4):
                x = np.linspace(-3, 3, 4 * rows, dtype=np.float32).reshape(rows, 4)
                np.testing.assert_allclose(asked(port, result.name, x), expected(x), rtol=1e-5)
        finally:
            server.terminate()


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
