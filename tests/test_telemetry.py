"""ONNX Runtime tells its maker nothing, in no process: neither files nor look-ups.

Each process runs with a HOME of its own, as it would on a machine where it never ran. The last test
is what this looks like without: with ONNX Runtime alone, the same watching finds both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.models import linear
from tests.serve.gated import until
from tests.serve.models import put, put_python

_CONFIG = """input { name: "x" data_type: TYPE_FP32 dims: [-1, 8] }
output { name: "y" data_type: TYPE_FP32 dims: [-1, 8] }
"""
_PYTHON = """
import onnxruntime
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.session = onnxruntime.InferenceSession({!r})

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", self.session.run(
            None, {{"x": pb_utils.get_input_tensor_by_name(request, "x").as_numpy()}})[0])])
            for request in requests]
"""
# Where one of these is set ONNX Runtime tells nothing, which would hide what it does elsewhere.
_OF_CI = {
    "CI", "APPVEYOR", "BUILDKITE", "CIRCLECI", "CODEBUILD_BUILD_ID", "GITHUB_ACTIONS", "GITLAB_CI",
    "JENKINS_URL", "TEAMCITY_VERSION", "TF_BUILD", "TRAVIS",
}  # fmt: skip
_STRACE = ["strace", "-f", "-q", "-e", "trace=socket,connect,sendto,sendmsg,openat", "-o"]


class Watched:
    """A HOME that is watched, and the calls of processes that might reach the network."""

    def __init__(self, folder: Path) -> None:
        self.home, self.calls = folder / "home", folder / "calls"
        self.home.mkdir()
        # That of this process, which has imported trtbuild, would hide what children do.
        hiding = _OF_CI | {"ORT_DISABLE_TELEMETRY"}
        variables = {
            name: value
            for name, value in os.environ.items()
            if name not in hiding and not name.startswith(("XDG_", "TRTBUILD_"))
        }
        self.environment = variables | {"HOME": str(self.home)}

    def command(self, *command: str | Path) -> list[str]:
        watched = [*_STRACE, str(self.calls)] if shutil.which("strace") else []
        return [*watched, *map(str, command)]

    def run(self, *command: str | Path) -> None:
        done = subprocess.run(
            self.command(*command), env=self.environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()

    def left(self) -> list[str]:
        """Files that no part of trtbuild has written."""
        files = [path for path in self.home.rglob("*") if not path.is_dir()]
        own = self.home / ".cache" / "trtbuild"
        return [str(path) for path in files if own not in path.parents]

    def reached(self) -> list[str]:
        """Calls that look names up or reach beyond this machine."""
        if not self.calls.exists():
            return []
        text = self.calls.read_text(errors="replace")
        return re.findall(r".*(?:resolv\.conf|nscd|SOCK_DGRAM|sin6?_port=htons\(53\)).*", text)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_conversion(watched: Watched, tmp_path: Path) -> None:
    """With verification: each of its workers runs ONNX Runtime."""
    model = linear(tmp_path / "model.onnx")
    watched.run(sys.executable, "-m", "trtbuild", "convert", model, "--repo", tmp_path / "repo",
                "--target", "8.9")  # fmt: skip
    assert (watched.home / ".cache" / "trtbuild").exists()  # it was its HOME
    assert (watched.left(), watched.reached()) == ([], [])


def test_the_library(watched: Watched, tmp_path: Path) -> None:
    linear(tmp_path / "model.onnx")
    session = "onnxruntime.InferenceSession('model.onnx')"
    code = f"import os, trtbuild, onnxruntime; os.chdir({str(tmp_path)!r}); {session}"
    watched.run(sys.executable, "-c", code)
    watched.run(sys.executable, "-c", code.replace("trtbuild", "trtserve"))
    watched.environment["ORT_DISABLE_TELEMETRY"] = "0"
    watched.run(sys.executable, "-c", code)
    assert (watched.left(), watched.reached()) == ([], [])


def test_a_server_and_its_python_models(watched: Watched, tmp_path: Path) -> None:
    content = linear(tmp_path / "model.onnx").read_bytes()
    repository = tmp_path / "repository"
    put(repository, "onnx", content)
    code = _PYTHON.format(str(tmp_path / "model.onnx"))
    put_python(repository, "python", code, _CONFIG + 'backend: "python"')
    command = watched.command(sys.executable, "-m", "trtbuild", "serve", repository,
                              "--http-port=0", "--grpc-port=-1", "--metrics-port=-1")  # fmt: skip
    with subprocess.Popen(
        command, env=watched.environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http on (\S+)", line):
                break
        else:
            pytest.fail("the server did not start")
        tensor = {"name": "x", "shape": [1, 8], "datatype": "FP32", "data": [0.0] * 8}
        for model in ("onnx", "python"):
            url = f"http://{found[1]}/v2/models/{model}/infer"
            with urllib.request.urlopen(url, json.dumps({"inputs": [tensor]}).encode()) as answer:
                assert answer.status == 200
        os.killpg(process.pid, signal.SIGTERM)
        process.stderr.read()
    assert (watched.left(), watched.reached()) == ([], [])


def _require_telemetry() -> None:
    import onnxruntime

    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 30):
        pytest.skip("this ONNX Runtime tells nothing")


def test_the_files_that_it_would_leave(watched: Watched, tmp_path: Path) -> None:
    """The watching itself: else these tests would pass whatever happens."""
    _require_telemetry()
    linear(tmp_path / "model.onnx")
    session = f"onnxruntime.InferenceSession({str(tmp_path / 'model.onnx')!r})"
    watched.run(sys.executable, "-c", f"import onnxruntime; {session}")
    assert any("onnxruntime" in path for path in watched.left())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_the_look_ups_that_it_would_make(tmp_path: Path) -> None:
    """They begin after some ten seconds: a process that began before has made none by then."""
    _require_telemetry()
    linear(tmp_path / "model.onnx")
    session = f"onnxruntime.InferenceSession({str(tmp_path / 'model.onnx')!r}); time.sleep(600)"
    started = []
    for name in ("trtbuild", "time"):
        (tmp_path / name).mkdir()
        watched = Watched(tmp_path / name)
        command = watched.command(
            sys.executable, "-c", f"import time, {name}, onnxruntime; {session}"
        )
        process = subprocess.Popen(command, env=watched.environment, start_new_session=True)
        started.append((process, watched))
        until(watched.calls.exists)
    try:
        (_, ours), (_, theirs) = started
        until(lambda: bool(theirs.reached()), 120)
        assert ours.reached() == []
    finally:
        for process, _ in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
