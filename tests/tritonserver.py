"""A real tritonserver 2.51: PyPI's nvidia-pytriton in an environment of its own (`make triton`).

How its process is started, in one place: the oracle of the validator's tests, the server's peer and
the benchmarks differ only in options and backends.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PYTHON = Path(os.environ.get("TRTBUILD_TRITON_PYTHON", ROOT / ".venv-triton/bin/python"))
_ASKED = """
import json, sys, sysconfig
print(json.dumps({
    "site": sysconfig.get_path("platlib"),
    "libraries": sysconfig.get_config_var("LIBDIR"),
    "python": "%d.%d" % sys.version_info[:2],
}))
"""


class Installation(NamedTuple):
    """What the package brought, and how its binary is started."""

    site: Path  # its environment's site-packages
    binary: Path
    stub: Path  # runs Python models, for the environment's own Python
    variables: dict[str, str]  # without which the binary does not start

    @property
    def backends(self) -> Path:
        """The backends that come with it: Python's."""
        return self.binary.parents[1] / "backends"


@cache
def installation() -> Installation:
    """The installed server; `PYTHON` exists."""
    told = json.loads(subprocess.run([PYTHON, "-c", _ASKED], check=True, stdout=-1).stdout)
    site = Path(told["site"])
    triton = site / "pytriton" / "tritonserver"
    return Installation(
        site,
        triton / "bin" / "tritonserver",
        triton / "python_backend_stubs" / told["python"] / "triton_python_backend_stub",
        {
            **os.environ,
            "PYTHONPATH": str(site),
            "LD_LIBRARY_PATH": f"{site / 'nvidia_pytriton.libs'}:{told['libraries']}",
        },
    )


def lay_out_backends(directory: Path) -> None:
    """Make `directory` a backend directory with the Python backend in it.

    The stub that runs Python models finds packages where the base interpreter does, not where
    PYTHONPATH says: with a NumPy of which nothing may be assumed, or none at all (an output of one
    that is newer than it has no bytes). So the first module that it imports names the right place.
    """
    installed = installation()
    shutil.copytree(installed.backends, directory)
    stub = directory / "python" / installed.stub.name
    shutil.copy(installed.stub, stub)
    stub.chmod(0o755)
    utils = directory / "python" / "triton_python_backend_utils.py"
    found_first = f"import sys\nsys.path.insert(0, {str(installed.site)!r})\n"
    utils.write_text(found_first + utils.read_text())


def start(log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the process, in a session of its own."""
    installed = installation()
    with log.open("wb") as output:
        return subprocess.Popen(
            [installed.binary, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=installed.variables,
            start_new_session=True,
        )


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
