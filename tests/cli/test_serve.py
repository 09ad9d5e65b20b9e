"""`trtbuild serve` as a user types it; the server itself is tested in tests/serve."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from tests.models import linear


@pytest.fixture
def repo(trtbuild: Trtbuild, tmp_path: Path) -> Path:
    done = trtbuild(
        "convert", linear(tmp_path / "tiny.onnx"), "--repo", tmp_path / "repo", "--target", "8.9"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "repo"


def test_check_says_what_would_run_where_and_why(trtbuild: Trtbuild, repo: Path) -> None:
    done = trtbuild("serve", repo, "--check")
    assert done.returncode == 0, done.stderr
    assert "tiny" in done.stdout
    assert "8.9" in done.stdout
    refused = trtbuild("serve", f"--model-repository={repo}", "--check", "--fallback", "none")
    assert refused.returncode == 1
    assert "8.9" in refused.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "no model repository is given"),
        (["nowhere", "--device", "tpu"], "there is no device 'tpu'"),
    ],
)
def test_misuse_is_said(trtbuild: Trtbuild, options: list[str], says: str) -> None:
    done = trtbuild("serve", *options)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_converted_model_answers_over_http_and_ends_on_sigterm(repo: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "trtbuild"), "serve", str(repo), "--http-port=0",
        "--grpc-port=-1", "--metrics-port=-1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ.copy()
    ) as server:
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if match := re.search(r"http\D+127\.0\.0\.1:(\d+)", line, re.I):
                break
        else:
            pytest.fail(said)
        body = {"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": [0] * 8}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{match[1]}/v2/models/tiny/infer", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            outputs = json.load(answer)["outputs"]
        assert outputs == [{"name": "y", "datatype": "FP32", "shape": [1, 8], "data": [0.0] * 8}]
        server.send_signal(signal.SIGTERM)
        server.stdout.read()
        assert server.wait(20) == 0
