"""Python models in the whole server, by HTTP."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from tests.serve.backends.python.python_models import IDENTITY, write_model
from tests.serve.conftest import Running

CONFIG = """
backend: "python"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
dynamic_batching {}
"""
PID = """
def initialize(self, args): self.args = args
def execute(self, requests):
    time.sleep(-min(float(r.inputs()[0].as_numpy().min()) for r in requests))
    pid = np.array([[os.getpid()]], np.float64)
    return [pb_utils.InferenceResponse([pb_utils.Tensor("x", pid)]) for r in requests]
def finalize(self):
    time.sleep(0.2)
    open(os.path.join(self.args["model_repository"], self.args["model_instance_name"]), "w")
"""


def put(repository: Path, name: str, methods: str, config: str | None = CONFIG) -> Path:
    file = write_model(repository / "made", methods)
    (repository / "made" / "model").rename(repository / name)
    (repository / "made").rmdir()
    if config is not None:
        (repository / name / "config.pbtxt").write_text(config)
    return repository / name / "1" / file.name


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("python models")


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], repository: Path) -> Running:
    put(repository, "identity", IDENTITY)
    put(repository, "pid", PID)
    put(repository, "two", PID, CONFIG + "instance_group [{ name: 'g' count: 2 }]")
    return start(repository, control="explicit", load_models=("*",), exit_on_error=False)


@pytest.fixture(scope="module")
def client(server: Running) -> Any:
    with http_client.InferenceServerClient(server.http, concurrency=8) as client:
        yield client


def tensor_of(array: np.ndarray) -> Any:
    tensor = http_client.InferInput("x", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array.astype(np.float32))
    return tensor


def infer(client: Any, model: str, array: np.ndarray) -> np.ndarray:
    found: np.ndarray = client.infer(model, [tensor_of(array)]).as_numpy("x")
    return found


def test_a_model_answers(client: Any) -> None:
    for shape in ((1, 16), (8, 3), (3, 200_000)):
        array = np.random.default_rng(0).random(shape, np.float32)
        assert (infer(client, "identity", array) == array).all()


def test_a_killed_process_fails_what_it_ran_and_no_more(client: Any) -> None:
    (pid,) = infer(client, "pid", np.zeros((1, 1)))[0]
    threading.Timer(0.2, os.kill, (int(pid), signal.SIGKILL)).start()
    with pytest.raises(InferenceServerException, match="ended by SIGKILL") as caught:
        infer(client, "pid", np.full((1, 1), -30))
    assert caught.value.status() == "503"
    assert infer(client, "pid", np.zeros((1, 1)))[0] != pid
    assert client.is_model_ready("pid")


def test_a_process_killed_while_idle_fails_nothing(client: Any) -> None:
    (pid,) = infer(client, "pid", np.zeros((1, 1)))[0]
    for pause_s in (0, 0.1):  # before and after the loop has seen its end
        os.kill(int(pid), signal.SIGKILL)
        time.sleep(pause_s)
        (after,) = infer(client, "pid", np.zeros((1, 1)))[0]
        assert after != pid
        pid = after


def test_small_requests_may_have_large_answers(client: Any, repository: Path) -> None:
    methods = (
        "def execute(self, requests):\n"
        "    counts = [int(r.inputs()[0].as_numpy()[0, 0]) for r in requests]\n"
        "    made = [np.arange(count, dtype=np.float32)[None] for count in counts]\n"
        "    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', each)]) for each in made]"
    )
    put(repository, "grows", methods)
    client.load_model("grows")
    for count in (10, 3_000_000, 10, 100_000):
        assert (infer(client, "grows", np.full((1, 1), count))[0] == np.arange(count)).all()


def test_each_instance_is_a_process(client: Any) -> None:
    config = client.get_model_config("two")
    assert [group["count"] for group in config["instance_group"]] == [2]
    slow = client.async_infer("two", [tensor_of(np.full((1, 1), -0.4))])
    time.sleep(0.1)
    (meanwhile,) = infer(client, "two", np.zeros((1, 1)))[0]
    assert slow.get_result().as_numpy("x")[0, 0] != meanwhile


def test_unloading_finalizes(client: Any, repository: Path) -> None:
    put(repository, "ending", PID)
    client.load_model("ending")
    (pid,) = infer(client, "ending", np.zeros((1, 1)))[0]
    client.unload_model("ending")
    deadline = time.monotonic() + 10
    while Path(f"/proc/{int(pid)}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{int(pid)}").exists()
    assert (repository / "ending" / "ending_0").exists()


COMPLETES = """
@staticmethod
def auto_complete_config(config):
    config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [-1]})
    config.add_output({"name": "x", "data_type": "TYPE_FP32", "dims": [-1]})
    config.set_max_batch_size(4)
    config.set_dynamic_batching()
    return config
"""


def test_a_model_completes_its_config(client: Any, repository: Path) -> None:
    put(repository, "completed", COMPLETES + IDENTITY, None)
    client.load_model("completed")
    config = client.get_model_config("completed")
    assert (config["backend"], config["max_batch_size"]) == ("python", 4)
    assert config["dynamic_batching"]["preferred_batch_size"] == [4]
    assert (infer(client, "completed", np.ones((4, 2))) == 1).all()


def test_reshapes(client: Any, repository: Path) -> None:
    shape = CONFIG.replace("dims: [-1]", "dims: [4] reshape { shape: [2, 2] }")
    methods = (
        "def execute(self, requests):\n"
        "    x = requests[0].inputs()[0].as_numpy()\n"
        "    assert x.shape == (3, 2, 2), x.shape\n"
        "    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', x)])]"
    )
    put(repository, "reshaped", methods, shape)
    client.load_model("reshaped")
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert (infer(client, "reshaped", array) == array).all()


@pytest.mark.parametrize(
    ("name", "methods", "config", "message"),
    [
        ("raises", "def initialize(self, args): raise ValueError('no such weights')", CONFIG,
         "ValueError: no such weights"),
        ("decoupled", IDENTITY, CONFIG + "model_transaction_policy { decoupled: true }",
         "is decoupled, which trtbuild serve does not support"),
        ("environment", IDENTITY,
         CONFIG + "parameters { key: 'EXECUTION_ENV_PATH' value { string_value: 'a.tar.gz' } }",
         "install what it needs there"),
        ("nonsense", COMPLETES.replace("TYPE_FP32", "FLOAT"), 'backend: "python"',
         "made no valid config"),
        ("contradicts", COMPLETES, CONFIG, "specified max_batch_size 8"),
        ("halves", IDENTITY + "def initialize(self, args):\n"
         "    if args['model_instance_name'] == 'halves_0_1': raise ValueError('second')\n",
         CONFIG + "instance_group [{ count: 2 }]", "ValueError: second"),
    ],
)  # fmt: skip
def test_loads_that_fail(
    client: Any, repository: Path, name: str, methods: str, config: str, message: str
) -> None:
    put(repository, name, methods, config)
    with pytest.raises(InferenceServerException, match=message):
        client.load_model(name)
    assert not client.is_model_ready(name)
    assert client.is_model_ready("identity")


def test_statistics_say_where_the_time_went(client: Any) -> None:
    infer(client, "two", np.full((1, 1), -0.1))
    found = client.get_inference_statistics("two")["model_stats"][0]["inference_stats"]
    assert found["compute_infer"]["ns"] > 0.1e9
    assert 0 < found["compute_input"]["ns"] < 0.1e9
    assert 0 < found["compute_output"]["ns"] < 0.1e9
