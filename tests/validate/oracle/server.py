"""The oracle: a real tritonserver 2.51, asked whether it loads a model.

It comes in the PyPI package nvidia-pytriton, which lives in an environment of its own
(`make triton`). The server runs with explicit model control, so one process judges any number
of repositories; each question is one load request and takes about a millisecond. Backends that
the package lacks are stood in for by `backend.c`, which takes any configuration, so that what
is judged is Triton's core and nothing else. The Python backend is the real one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests import tritonserver
from tests.tritonserver import PYTHON, free_port, lay_out_backends

# The stand-ins, which complete nothing; of Triton's example "identity" its core knows nothing, and
# we know that it completes nothing.
STAND_INS = ("identity", "tensorrt", "onnxruntime", "pytorch", "tensorflow", "openvino")
# A backend of one's own in Python, which fills in what its models leave out.
COMPLETER = """class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "a", "data_type": "TYPE_FP32", "dims": [4]})
        config.add_output({"name": "b", "data_type": "TYPE_FP32", "dims": [4]})
        return config

    def execute(self, requests):
        return []
"""
START_S = 60.0
# A crash is no verdict: 2.51 crashes on one in twenty refusals of a model with several instances,
# and the late end of an earlier case is a crash too. Each attempt has a new server. Silence for the
# whole timeout has to happen each time: it is a verdict, but on a busy machine twice in a row was
# a hang at a refusal.
ATTEMPTS = 6
SILENT_ATTEMPTS = 4
TIMEOUT_S = 10.0  # a load takes milliseconds, with the Python backend a second and a half


class Verdict(NamedTuple):
    """What the server said to one load request."""

    accepted: bool
    message: str  # its reason, from the answer or (where that says nothing) from the log

    @property
    def crashed(self) -> bool:
        """The server died before it answered."""
        return self.message == "the server ended"

    @property
    def backend_absent(self) -> bool:
        """The config got as far as its backend, of which there is none: nothing was refused."""
        return "unable to find backend library" in self.message and "../" not in self.message


def why_not() -> str:
    """Why the oracle cannot run here; empty where it can."""
    if not PYTHON.exists():
        return "nvidia-pytriton is not installed; `make triton` installs it"
    if shutil.which("cc") is None:
        return "no C compiler for the stand-in backend"
    return ""


def make_backends(directory: Path) -> None:
    """Lay out a backend directory: the real Python backend and the stand-ins."""
    lay_out_backends(directory)
    library = directory.parent / "backend.so"
    source = Path(__file__).with_name("backend.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    for name in STAND_INS:
        (directory / name).mkdir()
        shutil.copy(library, directory / name / f"libtriton_{name}.so")
    (directory / "completer").mkdir()
    (directory / "completer" / "model.py").write_text(COMPLETER)


class Triton:
    """A running server over `self.repository`, which `judge` fills and empties."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.repository = directory / "repository"
        self.repository.mkdir(parents=True)
        self.options = options
        self.log = directory / "log"
        make_backends(directory / "backends")
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.port = free_port()
        self.process = tritonserver.start(
            self.log,
            f"--model-repository={self.repository}",
            f"--backend-directory={self.directory / 'backends'}",
            f"--http-port={self.port}",
            "--http-address=127.0.0.1",
            "--allow-grpc=0",
            "--allow-metrics=0",
            "--model-control-mode=explicit",
            *self.options,
        )
        self._wait_until_ready()
        self._seen = self.log.stat().st_size

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                if self._request("GET", "/v2/health/ready")[0] == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"tritonserver did not start: {self.log.read_text()[-2000:]}")

    def _request(self, method: str, path: str) -> tuple[int, str]:
        self._connection.request(method, path)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    def load(self, name: str, timeout_s: float = TIMEOUT_S) -> Verdict:
        """Ask for one model (with it come the members of an ensemble)."""
        assert self._connection.sock is not None
        self._seen = self.log.stat().st_size
        self._connection.sock.settimeout(timeout_s)
        try:
            status, body = self._request("POST", f"/v2/repository/models/{name}/load")
        except TimeoutError:
            return self._no_answer("no answer")
        except (OSError, http.client.HTTPException):
            return self._no_answer("the server ended")
        if status == 200:
            return Verdict(True, "")
        message = json.loads(body)["error"]
        if "failed to poll" not in message:
            return Verdict(False, message)
        deadline = time.monotonic() + 1
        while "Poll failed" not in (new := self._new_errors(name)) and time.monotonic() < deadline:
            time.sleep(0.001)  # the log is written behind the answer
        return Verdict(False, f"{message} {new}")

    def _no_answer(self, message: str) -> Verdict:
        """A new server for the next question."""
        self.stop()
        self.start()
        return Verdict(False, message)

    def _new_errors(self, name: str) -> str:
        """What the log has on polls since the last time."""
        with self.log.open("rb") as log:
            log.seek(self._seen)
            new = log.read()
        text = new.decode(errors="replace")
        # Lines about earlier cases come late; these two kinds are about the poll just made.
        poll = f"Poll failed for model directory '{name}'"
        lines = (s for s in text.splitlines() if poll in s or s.startswith("[libprotobuf"))
        return " | ".join(re.sub(r"^E\d+ [\d:.]+ \d+ \S+\] ", "", line) for line in lines)

    def unload(self, name: str) -> None:
        """Drop a model; one that is not loaded is no error."""
        self._request("POST", f"/v2/repository/models/{name}/unload")

    def judge(
        self,
        files: Mapping[str, bytes],
        name: str,
        timeout_s: float = TIMEOUT_S,
        first: Sequence[str] = (),
    ) -> Verdict:
        """Write `files` (path below the repository -> content, "d/" a folder), load `name`.

        The models `first` are loaded before it, and must load.
        """
        try:
            write_files(self.repository, files)
            for attempt in range(ATTEMPTS):
                verdict = self._after(first, name, timeout_s)
                silent = verdict.message == "no answer" and timeout_s >= TIMEOUT_S
                if not (verdict.crashed or (silent and attempt < SILENT_ATTEMPTS - 1)):
                    break
            return verdict
        finally:
            self._clean()

    def _after(self, first: Sequence[str], name: str, timeout_s: float) -> Verdict:
        for other in first:
            verdict = self.load(other, timeout_s)
            if verdict.crashed:
                return verdict
            assert verdict.accepted, f"'{other}' does not load"
        return self.load(name, timeout_s)

    def _clean(self) -> None:
        """Unload and remove every model; a server that cannot is replaced."""
        names = [path.name for path in self.repository.iterdir()]
        try:
            for name in names:
                self.unload(name)
            self._wait_until_unloaded()
        except (OSError, http.client.HTTPException):
            self.stop()
            self.start()
        for name in names:
            shutil.rmtree(self.repository / name)

    def _wait_until_unloaded(self) -> None:
        """A Python model ends some time after its unloading was answered.

        Raises `TimeoutError` where one never does: 2.51 sometimes keeps a sequence model for ever.
        """
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            _, body = self._request("POST", "/v2/repository/index")
            states = {entry.get("state") for entry in json.loads(body)}
            if not states & {"READY", "LOADING", "UNLOADING"}:
                return
            time.sleep(0.01)
        raise TimeoutError("a model is never unloaded")

    def stop(self) -> None:
        """End the process; it holds nothing that must be saved."""
        self._connection.close()
        self.process.kill()
        self.process.wait()


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write path -> content below `directory`; a path that ends in "/" is an empty folder."""
    for path, content in files.items():
        target = directory / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


@contextlib.contextmanager
def running(directory: Path, *options: str) -> Iterator[Triton]:
    """A server for the length of a `with` block."""
    server = Triton(directory, *options)
    try:
        yield server
    finally:
        server.stop()
