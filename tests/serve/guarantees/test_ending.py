"""SIGTERM and SIGINT: not ready at once, what is under way finishes, a second one forces it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serve.clients.served import Served
from tests.serve.gated import Asking, Gate, answer, put_gated, refusal, until

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
BODY = json.dumps({"inputs": [{"name": "INPUT0", "shape": [1, 1], "datatype": "INT32",
                               "data": [2]}]})  # fmt: skip
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse.status


class Asked:
    """A server with one request in a held model over each protocol, and health being watched."""

    def __init__(self, server: Served, gate: Gate) -> None:
        self.server, self.gate, self._asking = server, gate, Asking(server.grpc)
        watch = self._asking.channel.unary_stream("/grpc.health.v1.Health/Watch")
        self.health = watch(b"", timeout=60)
        assert next(self.health) == SERVING
        self.by_grpc = self._asking.ask("m", 1)
        gate.until_running(1)
        self.by_http = HTTPConnection(server.http, timeout=60)
        self.by_http.request("POST", "/v2/models/m/infer", BODY)
        gate.until_running(2)

    def http(self, method: str, path: str, body: str | None = None) -> HTTPResponse:
        """Asked on a connection of its own."""
        connection = HTTPConnection(self.server.http, timeout=60)
        connection.request(method, path, body)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def until_not_ready(self) -> None:
        until(lambda: self.http("GET", "/v2/health/ready").status == 400)

    def close(self) -> None:
        self._asking.close()
        self.by_http.close()


@contextmanager
def asked(folder: Path, *options: str) -> Iterator[Asked]:
    (folder / "repository").mkdir()
    gate = put_gated(folder / "repository", "m", "instance_group [{ count: 2 }]")
    server = Served(folder / "repository", folder / "log", *options)
    try:
        with gate.held(1), gate.held(2):
            found = Asked(server, gate)
            models = children(server.process.pid)
            yield found
            found.close()
            assert len(models) == 2
            until(lambda: not any(map(is_running, models)))  # though they are held
    finally:
        server.process.kill()
        server.process.wait()


def children(process: int) -> list[int]:
    texts = [file.read_text() for file in Path(f"/proc/{process}/task").glob("*/children")]
    return [int(each) for text in texts for each in text.split()]


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, and nobody has asked how


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_not_ready_at_once_and_what_is_under_way_finishes(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "repository").mkdir()
    gate = put_gated(tmp_path / "repository", "m", "instance_group [{ count: 2 }]")
    server = Served(tmp_path / "repository", tmp_path / "log")
    with gate.held(1), gate.held(2):
        found = Asked(server, gate)
        assert found.http("GET", "/v2/health/ready").status == 200
        server.process.send_signal(number)
        assert next(found.health) == NOT_SERVING
        assert list(found.health) == []  # the watch ends: nobody waits for it
        _says_that_it_ends(found)
        assert not found.by_grpc.done()
        assert server.process.poll() is None
    assert answer(found.by_grpc) == [1]
    response = found.by_http.getresponse()
    assert response.status == 200
    assert json.loads(response.read())["outputs"][0]["data"] == [2]
    assert server.process.wait(30) == 0
    found.close()
    assert "Traceback" not in server.log.read_text()


def _says_that_it_ends(found: Asked) -> None:
    assert found.http("GET", "/v2/health/live").status == 200
    assert found.http("GET", "/v2/health/ready").status == 400
    assert found.http("GET", "/v2/models/m/ready").status == 400
    refused = found.http("POST", "/v2/models/m/infer", BODY)
    assert (refused.status, refused.getheader("Connection")) == (503, "close")
    late = Asking(found.server.grpc)
    assert refusal(late.ask("m", 3)) == (UNAVAILABLE, "the server is shutting down")
    health = late.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=60) == NOT_SERVING
    ready = late.channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
    assert ready(b"", timeout=60) == b""  # ready: false
    late.close()


def test_after_the_timeout_the_rest_is_cut_off(tmp_path: Path) -> None:
    with asked(tmp_path, "--exit-timeout-secs=0.2") as found:
        found.server.process.terminate()
        assert found.server.process.wait(30) == 1
        assert refusal(found.by_grpc)[0] == UNAVAILABLE
        with pytest.raises((ConnectionError, OSError)):
            found.by_http.getresponse()
        assert "cut off" in found.server.log.read_text()


def test_a_second_signal_forces_the_end(tmp_path: Path) -> None:
    with asked(tmp_path) as found:
        process = found.server.process
        process.terminate()
        found.until_not_ready()
        assert process.poll() is None

        def ended() -> bool:  # what comes right after the first is taken for the same wish
            process.terminate()
            return process.poll() is not None

        until(ended)
        assert process.wait(30) == 1
        assert refusal(found.by_grpc)[0] == UNAVAILABLE
        assert "a second signal came" in found.server.log.read_text()


def test_a_signal_that_comes_twice_at_once_forces_nothing(tmp_path: Path) -> None:
    """`timeout` sends it to its child and then to the whole group, which the child is in."""
    (tmp_path / "repository").mkdir()
    gate = put_gated(tmp_path / "repository", "m", "instance_group [{ count: 2 }]")
    server = Served(tmp_path / "repository", tmp_path / "log")
    with gate.held(1), gate.held(2):
        found = Asked(server, gate)
        # Both are pending when the server goes on, so no time passes between them.
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            server.process.send_signal(number)
        found.until_not_ready()
    assert answer(found.by_grpc) == [1]
    assert server.process.wait(30) == 0
    found.close()


def test_a_request_that_nobody_waits_for_any_more_ends_with_the_timeout(tmp_path: Path) -> None:
    """Its client has left: no connection is busy, but a model is."""
    with asked(tmp_path, "--exit-timeout-secs=0.2") as found:
        found.close()
        found.server.process.terminate()
        assert found.server.process.wait(30) == 1


@pytest.mark.parametrize("path", [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Watch",
])  # fmt: skip
@pytest.mark.parametrize("asked", [True, False])
def test_nobody_waits_for_calls_that_only_listen(tmp_path: Path, path: str, asked: bool) -> None:
    """Tools keep them open as long as they run; the timeout would be over before they end."""
    (tmp_path / "repository").mkdir()
    server = Served(tmp_path / "repository", tmp_path / "log", "--exit-timeout-secs=600")
    end = threading.Event()

    def questions() -> Iterator[bytes]:
        if asked:
            yield b"\x3a\x01*" if "reflection" in path else b""
        end.wait(60)

    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.stream_stream(path)(questions(), timeout=60)
        if asked:
            assert next(call)
        else:
            # Calls of one connection arrive in their order.
            channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=60)
        server.process.terminate()
        try:
            assert server.process.wait(20) == 0
        finally:
            server.process.kill()
            end.set()


LOADING = """
import pathlib
import time


class TritonPythonModel:
    def initialize(self, args):
        (pathlib.Path(args["model_repository"]) / "begun").touch()
        time.sleep(600)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_the_models_are_loaded(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.py").write_text(LOADING)
    (tmp_path / "m" / "config.pbtxt").write_text(
        'backend: "python" input { name: "x" data_type: TYPE_FP32 dims: [1] }'
        ' output { name: "y" data_type: TYPE_FP32 dims: [1] }'
    )
    command: list[Any] = [sys.executable, "-m", "trtbuild", "serve", tmp_path, "--http-port=0",
                          "--grpc-port=0", "--metrics-port=0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until((tmp_path / "m" / "begun").exists)
        models = children(process.pid)
        process.send_signal(number)
        assert process.wait(30) == code
    assert models
    until(lambda: not any(map(is_running, models)))


FORCED = """
import subprocess, threading
from trtserve.running import _kill_children

def start(started):
    started.append(subprocess.Popen(["sleep", "600"], start_new_session=True))

def come_and_go():
    while not over.is_set():
        other = threading.Thread(target=int)
        other.start()
        other.join()

over = threading.Event()
threads = [threading.Thread(target=come_and_go) for _ in range(4)]
for thread in threads:
    thread.start()
try:
    for _ in range(100):
        started = []
        starter = threading.Thread(target=start, args=(started,))
        starter.start()
        starter.join()  # its child is now that of a thread that lives
        _kill_children()
        assert started[0].wait(10) == -9
finally:
    over.set()
"""


def test_a_forced_end_finds_every_child_while_threads_end() -> None:
    subprocess.run([sys.executable, "-c", FORCED], check=True, timeout=120)
