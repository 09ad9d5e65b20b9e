"""Programs that speak to servers and that nobody wrote for this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CLIENTS = Path(sys.prefix) / "clients"  # where `make clients` puts what no package installs


def program(name: str, package: str) -> str:
    """The path of a program. The test is skipped where it is missing, except in CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (Debian: {package})")
    assert found is not None
    return found


def perf_analyzer() -> tuple[str, dict[str, str]]:
    """perf_analyzer and the environment that it finds its libraries in."""
    path = _CLIENTS / "perf_analyzer"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(_CLIENTS)}
    if not path.exists():
        missing("perf_analyzer is not there: `make clients` fetches it")
    probe = subprocess.run(
        [str(path), "--version"], env=environment, capture_output=True, text=True, check=False
    )
    if "Perf Analyzer Version" not in probe.stdout + probe.stderr:
        missing(f"perf_analyzer does not start (Debian: libb64-0d): {probe.stderr}")
    return str(path), environment


def missing(reason: str) -> None:
    """Skip; fail where every client was promised."""
    if os.environ.get("TRTBUILD_ALL_CLIENTS"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, environment: dict[str, str] | None = None, data: bytes = b"") -> bytes:
    """What a program prints; it must end well within a minute."""
    done = subprocess.run(
        command, env=environment, input=data, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
