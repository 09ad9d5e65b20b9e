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
from trtserve import running
from trtserve.restrictions import restrictions_from_options
from trtserve.settings import Settings
from trtserve.tls import TlsFiles
from typer.testing import CliRunner

from tests.cli.conftest import Trtbuild
from tests.models import linear
from trtbuild.cli.app import app
from trtbuild.plugin_files import plugins_from_paths


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
    assert re.search(r"^ok: tiny version 1: .*\n  .*8\.9", done.stdout, re.MULTILINE)
    refused = trtbuild("serve", f"--model-repository={repo}", "--check", "--fallback", "none")
    assert refused.returncode == 1
    assert "8.9" in refused.stdout


def test_check_validates_too(trtbuild: Trtbuild, repo: Path) -> None:
    config = repo / "tiny" / "config.pbtxt"
    config.write_text(config.read_text() + "version_policy { latest {} }\n")
    done = trtbuild("serve", repo, "--check")
    assert done.returncode == 1
    assert re.search(r"error L\d+ .*version", done.stdout)  # the validator
    assert "error: tiny: at least one version must be available" in done.stdout  # the load
    assert done.stderr == ""


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


def test_every_option_reaches_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is set to other than its default; what is not has no option."""
    plugin = tmp_path / "plugin.py"
    plugin.touch()
    found: list[Settings] = []

    def run(settings: Settings) -> int:
        found.append(settings)
        return 0

    monkeypatch.setattr(running, "run", run)
    arguments = [
        "serve", "a", "--model-repository=b", "--model-control-mode", "explicit", "--load-model",
        "m", "--load-model=n", "--repository-poll-secs=2", "--strict-config",
        "--model-load-thread-count=7", "--strict-readiness=false", "--exit-on-error=false",
        "--host=h", "--http-address=ha", "--grpc-address=ga", "--metrics-address=ma",
        "--http-port=1", "--grpc-port=2", "--metrics-port=3", "--http-max-input-size=4",
        "--max-held-bytes=5", "--device=cuda:0", "--fallback=none", "--gpu-fault=stay",
        "--version-compatible", f"--plugins={plugin}", "--exit-timeout-secs=6", "--log-verbose=8",
        "--follow-links", "--require-lock",
        "--allow-model-overrides",
        "--http-tls-cert=a", "--http-tls-key=b", "--http-tls-client-ca=c",
        "--grpc-use-ssl=1", "--grpc-use-ssl-mutual=true", "--grpc-server-cert=d",
        "--grpc-server-key=e", "--grpc-root-cert=f",
        "--max-connections-per-peer=9", "--allow-host=one", "--allow-host", "two",
        "--http-restricted-api=health:k=v", "--grpc-restricted-protocol=health:k=v",
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (settings,) = found
    assert settings == Settings(
        repositories=(Path("a"), Path("b")), control="explicit", load_models=("m", "n"), poll_s=2,
        strict_config=True, load_threads=7, strict_readiness=False, exit_on_error=False, host="h",
        hosts={"http": "ha", "grpc": "ga", "metrics": "ma"}, http_port=1, grpc_port=2,
        metrics_port=3, max_input_bytes=4, max_held_bytes=5, device="cuda:0", fallback="none",
        gpu_fault="stay", version_compatible=True, plugins=plugins_from_paths([plugin]),
        exit_timeout_s=6, log_verbose=8, follow_links=True, require_lock=True,
        allow_overrides=True,
        http_tls=TlsFiles(Path("a"), Path("b"), Path("c")),
        grpc_tls=TlsFiles(Path("d"), Path("e"), Path("f")),
        max_connections_per_peer=9, allow_hosts=("one", "two"),
        http_restricted=restrictions_from_options("http", ["health:k=v"]),
        grpc_restricted=restrictions_from_options("grpc", ["health:k=v"]),
    )  # fmt: skip
    default = Settings(repositories=())
    same = {name for name in Settings.__struct_fields__
            if getattr(settings, name) == getattr(default, name)}  # fmt: skip
    assert same == {"max_waiting", "max_connections", "stall_timeout_s"}


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
