"""A real tritonserver 2.51 as the peer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests import tritonserver
from tests.tritonserver import free_port, lay_out_backends


class Triton:
    """A running tritonserver over a repository of Python models."""

    def __init__(self, repository: Path, directory: Path, *options: str) -> None:
        lay_out_backends(directory / "backends")
        self.http_port, self.grpc_port = free_port(), free_port()
        self.metrics_port = free_port()
        self._region = f"trtbuild_{os.getpid()}_{self.http_port}"  # names its shared memory
        self.log = directory / "log"
        self.process = tritonserver.start(
            self.log,
            f"--model-repository={repository}",
            f"--backend-directory={directory / 'backends'}",
            "--http-address=127.0.0.1",
            "--grpc-address=127.0.0.1",
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={self.metrics_port}",
            f"--backend-config=python,shm-region-prefix-name={self._region}",
            *options,
        )
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
