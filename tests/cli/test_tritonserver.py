"""tritonserver's spellings: each works as there, has no effect, or is refused by name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer.main

from tests.cli.conftest import Trtbuild
from tests.tritonserver import PYTHON, installation
from trtbuild.cli import tritonserver
from trtbuild.cli.app import app
from trtbuild.cli.tritonserver import translated
from trtbuild.errors import UsageError


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["--model-repository=a", "--model-store", "b"],
         ["--model-repository=a", "--model-store", "b"]),
        (["--strict-model-config=true"], ["--strict-config"]),
        (["--strict-model-config", "0", "a"], ["a"]),
        (["--allow-grpc=false", "--allow-http", "1"], ["--grpc-port=-1"]),
        (["--allow-metrics", "False"], ["--metrics-port=-1"]),
        (["--exit-on-error", "0", "--strict-readiness=1"],
         ["--exit-on-error=false", "--strict-readiness=true"]),
        (["--http-thread-count", "8", "--pinned-memory-pool-byte-size=1", "a"], ["a"]),
        (["--log-info=1", "--log-format", "default", "--rate-limit=off", "a"], ["a"]),
        (["--backend-config=python,shm-region-prefix-name=x", "a"], ["a"]),
        (["--backend-config", "python,shm-default-byte-size=9"], []),
        (["--backend-config=tensorrt,version-compatible=true"], ["--version-compatible"]),
        (["--backend-config", "tensorrt,version-compatible=false", "a"], ["a"]),
        (["--model-control-mode=EXPLICIT", "--model-control-mode", "Poll"],
         ["--model-control-mode=explicit", "--model-control-mode=poll"]),
        (["--log-verbose=true", "--log-verbose", "FALSE", "--log-verbose=2"],
         ["--log-verbose=1", "--log-verbose=0", "--log-verbose=2"]),
        (["--rate-limit=OFF"], []),
        (["--", "--allow-grpc=false"], ["--", "--allow-grpc=false"]),
        (["--nonsense=1"], ["--nonsense=1"]),
    ],
)  # fmt: skip
def test_what_it_is_here(given: list[str], taken: list[str]) -> None:
    assert list(translated(given)) == taken


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--allow-grpc=maybe"], "--allow-grpc is 'maybe'"),
        (["--strict-readiness"], "--strict-readiness is ''"),
        (["--backend-config=default-max-batch-size=8"], "has no --backend-config"),
        (["--backend-config=python,execution-timeout=8"], "has no --backend-config"),
        (["--backend-config=tensorrt,version-compatible=maybe"], "version-compatible is 'maybe'"),
        (["--backend-config=tensorrt,coalesce-request-input=true"], "has no --backend-config"),
        (["--grpc-use-ssl=maybe"], "--grpc-use-ssl is 'maybe'"),
        (["--log-file", "x"], "redirect the log: 2> FILE"),
        (["--log-info=false"], "POST /v2/logging"),
    ],
)  # fmt: skip
def test_what_would_change_what_is_served_is_refused(given: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        list(translated(given))


def test_a_user_of_tritonserver_types_it(trtbuild: Trtbuild, tmp_path: Path) -> None:
    done = trtbuild("serve", f"--model-repository={tmp_path}", "--strict-model-config=false",
                    "--allow-grpc=false", "--http-thread-count", "2",
                    "--model-control-mode=NONE", "--log-verbose", "true", "--check")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "there is no model in the repositories" in done.stdout
    refused = trtbuild("serve", f"--model-repository={tmp_path}", "--cache-config=local,size=1")
    assert (refused.returncode, "answers are not cached" in refused.stderr) == (2, True)
    both = trtbuild("serve", tmp_path, "--load-model=m")
    assert (both.returncode, "--model-control-mode=explicit" in both.stderr) == (2, True)


@pytest.mark.skipif(not PYTHON.exists(), reason="the peer is not installed: make triton")
def test_every_option_of_a_real_tritonserver_has_its_place() -> None:
    server = installation()
    done = subprocess.run(
        [server.binary, "--help"],
        env=server.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    stated = set(re.findall(r"^\s+(--[a-z0-9-]+)", done.stdout + done.stderr, re.MULTILINE))
    assert len(stated) > 80
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]  # a group
    own = {option for parameter in serve.params for option in parameter.opts}
    known = own | tritonserver.NEEDLESS | set(tritonserver.RESPELLED) | set(tritonserver.UNSERVED)
    assert stated - known == {"--help"}
    assert not own & (tritonserver.NEEDLESS | set(tritonserver.UNSERVED))
