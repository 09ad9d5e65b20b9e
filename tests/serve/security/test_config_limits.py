"""Configs that ask for more than any machine has: threads, processes, warm-up without end.

And that a server with such models still ends when it is told to.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from trtserve.backends.onnxruntime.options import session_options
from trtserve.errors import ServeError
from trtserve.limits import MAX_INSTANCES, MAX_SESSION_THREADS, MAX_WARM_UPS
from trtserve.placement import seats

from tests.serve.clients.served import Served
from tests.serve.gated import until
from tests.serve.guarantees.test_ending import children, is_running
from tests.serve.models import CONFIG_16, identity, put, put_python
from trtbuild.modelconfig.schema import new_config

_WARM = """model_warmup { name: "w" batch_size: 1 count: %d
  inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: [16] zero_data: true } } }
"""
_TENSORS = CONFIG_16
_PYTHON = "class TritonPythonModel:\n  def execute(self, r): return []\n"
REFUSED = [
    ("instance_group { count: 100000 kind: KIND_CPU }", "asks for 100000 instances"),
    ("instance_group { count: 2147483647 }", "asks for 2147483647 instances"),
    ("instance_group { count: 1000 } instance_group { count: 1000 }", "asks for 2000 instances"),
    ('parameters { key: "intra_op_thread_count" value { string_value: "100000" } }',
     "'intra_op_thread_count' of model 'm' asks for 100000 threads"),
    ('parameters { key: "inter_op_thread_count" value { string_value: "1000000000000000000" } }',
     "'inter_op_thread_count' of model 'm' asks for"),
    ('instance_group { count: 1000 } parameters { key: "intra_op_thread_count"'
     ' value { string_value: "1000" } }', "1000 instances of model 'm' with 1000 threads each"),
    (_WARM % (2**32 - 1), "warm-up sample 'w': it is to run 4294967295 times"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "says"), REFUSED, ids=[says for _, says in REFUSED])
@pytest.mark.parametrize("backend", ["onnxruntime", "python"])
def test_a_model_that_asks_for_too_much_is_refused(
    start: Callable[..., Any], tmp_path: Path, backend: str, words: str, says: str
) -> None:
    if backend == "python" and "thread_count" in words:
        pytest.skip("threads of ONNX Runtime's sessions")
    if backend == "python":
        put_python(tmp_path, "m", _PYTHON, _TENSORS + words + '\nbackend: "python"')
    else:
        put(tmp_path, "m", identity(), _TENSORS + words)
    put(tmp_path, "good", identity(), CONFIG_16)
    before = threading.active_count()
    server = start(tmp_path, exit_on_error=False)
    ((row),) = [row for row in _index(server) if row["name"] == "m"]
    assert says in row["reason"], row
    assert "Error" not in row["reason"]
    assert server.server.models.version("good")
    assert threading.active_count() < before + 30


def _index(server: Any) -> list[dict[str, str]]:
    url = f"http://{server.http}/v2/repository/index"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}")) as answer:
        rows: list[dict[str, str]] = json.load(answer)
    return rows


def test_what_is_just_allowed() -> None:
    config = new_config()
    config.instance_group.add(count=MAX_INSTANCES)
    assert len(seats(config, [])) == MAX_INSTANCES
    config.instance_group.add(count=1)
    with pytest.raises(ServeError):
        seats(config, [])
    config = new_config()
    config.parameters["intra_op_thread_count"].string_value = str(MAX_SESSION_THREADS)
    assert session_options(config).intra_op_num_threads == MAX_SESSION_THREADS
    with pytest.raises(ServeError, match="lower one of them"):
        session_options(config, sessions=100)
    assert MAX_WARM_UPS >= 1000


# Ending


def endless() -> bytes:
    """A model whose runs do not end: a loop of 2^62 rounds."""
    floats, bools = TensorProto.FLOAT, TensorProto.BOOL
    inside = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["going"]), helper.make_node("Sin", ["x"], ["y"])],
        "inside",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", bools, []),
         helper.make_tensor_value_info("x", floats, ["batch", 16])],
        [helper.make_tensor_value_info("going", bools, []),
         helper.make_tensor_value_info("y", floats, ["batch", 16])],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "true", "INPUT0"], ["OUTPUT0"], body=inside)],
        "endless",
        [helper.make_tensor_value_info("INPUT0", floats, ["batch", 16])],
        [helper.make_tensor_value_info("OUTPUT0", floats, ["batch", 16])],
        [numpy_helper.from_array(np.array(2**62, np.int64), "rounds"),
         numpy_helper.from_array(np.array(True), "true")],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


_DEAF = "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
_HANG = "    pathlib.Path(__file__).with_name('inside').touch()\n    while True: time.sleep(1)\n"
_HANGS_AT_START = (
    f"{_DEAF}class TritonPythonModel:\n  def initialize(self, args):\n{_HANG}"
    "  def execute(self, requests): return []\n"
)
_HANGS_IN_A_RUN = f"{_DEAF}class TritonPythonModel:\n  def execute(self, requests):\n{_HANG}"


def fill(repository: Path, kind: str) -> None:
    """Model `m`, with something in it that does not end."""
    config = _TENSORS + (_WARM % 10_000 if kind.endswith("warm-up") else "")
    if kind.startswith("onnx"):
        put(repository, "m", endless(), config)
    else:
        code = _HANGS_AT_START if kind == "python start" else _HANGS_IN_A_RUN
        put_python(repository, "m", code, config + '\nbackend: "python"')


def busy(process: int) -> bool:
    """Whether a process has used half a second of processor time in a thread of its pool."""
    with suppress(OSError):
        for stat in Path(f"/proc/{process}/task").glob("*/stat"):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) != process and int(fields[11]) > 50:
                return True
    return False


@pytest.mark.parametrize("kind", ["onnx warm-up", "python warm-up", "python start"])
def test_sigterm_ends_a_server_that_does_not_come_up(tmp_path: Path, kind: str) -> None:
    fill(tmp_path / "repository", kind)
    command = [sys.executable, "-m", "trtbuild", "serve", str(tmp_path / "repository"),
               "--http-port=0", "--grpc-port=0", "--metrics-port=0"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        inside = tmp_path / "repository" / "m" / "1" / "inside"
        until(lambda: inside.exists() or (kind.startswith("onnx") and busy(process.pid)))
        models = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    until(lambda: not any(map(is_running, models)))


@pytest.mark.parametrize("kind", ["onnx warm-up", "onnx run", "python run"])
def test_sigterm_ends_a_server_that_is_at_work_without_end(tmp_path: Path, kind: str) -> None:
    fill(tmp_path / "repository", kind)
    loads = [] if kind.endswith("run") else ["--model-control-mode=explicit"]
    server = Served(tmp_path / "repository", tmp_path / "log", "--exit-timeout-secs=0.5", *loads)
    path = "/v2/models/m/infer" if kind.endswith("run") else "/v2/repository/models/m/load"
    tensor = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.0] * 16}
    body = json.dumps({"inputs": [tensor]} if kind.endswith("run") else {}).encode()

    def ask() -> None:
        with suppress(OSError, ValueError):
            urllib.request.urlopen(f"http://{server.http}{path}", body, timeout=60).read()

    threading.Thread(target=ask, daemon=True).start()
    inside = tmp_path / "repository" / "m" / "1" / "inside"
    until(lambda: inside.exists() or (kind.startswith("onnx") and busy(server.process.pid)))
    models = children(server.process.pid)
    assert server.stop() == 1
    assert "Traceback" not in server.log.read_text()
    until(lambda: not any(map(is_running, models)))


_STUCK = """
import asyncio, time
from trtserve import running
running._AT_LAST_S = 0.1

class Endpoints:
    def end(self):
        time.sleep(1000)  # on the loop's thread, which hears of nothing any more

async def main():
    running._Signals(asyncio.get_running_loop(), Endpoints(), 0.1)
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def test_a_server_whose_event_loop_is_stuck_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", _STUCK], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1


@pytest.mark.parametrize("after_s", [0.1, 0.4, 1.0])
def test_sigterm_ends_a_server_whenever_it_comes(tmp_path: Path, after_s: float) -> None:
    """Amid imports, before the loop is there, after: the moments differ with the machine."""
    put(tmp_path, "m", identity(), CONFIG_16)
    command = [sys.executable, "-m", "trtbuild", "serve", str(tmp_path), "--http-port=0",
               "--grpc-port=0", "--metrics-port=0"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {-signal.SIGTERM, 143, 0}
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
