"""A real tritonserver 2.51 as the peer: from PyPI's nvidia-pytriton, in its own environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[3]
PYTHON = Path(os.environ.get("TRTBUILD_TRITON_PYTHON", ROOT / ".venv-triton/bin/python"))


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ask(code: str) -> str:
    done = subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def environment() -> tuple[Path, dict[str, str]]:
    """The binary, and the variables without which it does not start."""
    site = Path(_ask("import sysconfig; print(sysconfig.get_path('platlib'))"))
    libraries = _ask("import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")
    path = f"{site / 'nvidia_pytriton.libs'}:{libraries}"
    variables = {**os.environ, "PYTHONPATH": str(site), "LD_LIBRARY_PATH": path}
    return site / "pytriton/tritonserver/bin/tritonserver", variables


class Triton:
    """A running tritonserver over a repository of Python models."""

    def __init__(self, repository: Path, directory: Path, *options: str) -> None:
        binary, variables = environment()
        site = variables["PYTHONPATH"]
        version = _ask("import sys; print('%d.%d' % sys.version_info[:2])")
        triton = binary.parents[1]
        shutil.copytree(triton / "backends", directory / "backends")
        stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, directory / "backends/python")
        (directory / "backends/python" / stub.name).chmod(0o755)
        # The stub does not heed PYTHONPATH: it would take another environment's NumPy, whose
        # arrays it misreads (from NumPy 2 on, every output has no bytes).
        utils = directory / "backends/python/triton_python_backend_utils.py"
        utils.write_text(f"import sys\nsys.path.insert(0, {site!r})\n" + utils.read_text())
        self.http_port, self.grpc_port = free_port(), free_port()
        self.metrics_port = free_port()
        self._region = f"trtbuild_{os.getpid()}_{self.http_port}"  # names its shared memory
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, f"--model-repository={repository}",
                 f"--backend-directory={directory / 'backends'}", "--http-address=127.0.0.1",
                 "--grpc-address=127.0.0.1", f"--http-port={self.http_port}",
                 f"--grpc-port={self.grpc_port}", "--metrics-address=127.0.0.1",
                 f"--metrics-port={self.metrics_port}",
                 f"--backend-config=python,shm-region-prefix-name={self._region}", *options],
                stdout=log, stderr=subprocess.STDOUT, env=variables, start_new_session=True,
            )  # fmt: skip
        self._wait(60)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/v2/health/ready"):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        text = self.log.read_text(errors="replace")
        self.stop()
        raise RuntimeError(f"tritonserver did not start: {text[-3000:]}")

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, with its models' processes and the memory they leave."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for region in Path("/dev/shm").glob(f"{self._region}*"):
            region.unlink(missing_ok=True)
