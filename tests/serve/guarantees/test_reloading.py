"""Models that change while they are asked: no request is lost, no answer is wrong, all is freed."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http_client
from onnx import TensorProto, helper
from tritonclient.utils import InferenceServerException

from tests.serve.clients.served import Served
from tests.serve.gated import Asking, answer, put_gated, until
from tests.serve.guarantees.load import Load
from tests.serve.guarantees.test_ending import children
from tests.serve.models import CONFIG_16, Dims, model, plus, put

BATCHING = CONFIG_16 + "dynamic_batching {}"
OVERRIDE = {"backend": "onnxruntime", "max_batch_size": 2}


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    (folder / "repository").mkdir(exist_ok=True)
    server = Served(folder / "repository", folder / "log", *options)
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0, server.log.read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def test_loads_of_every_kind_under_load(tmp_path: Path, repository: Path) -> None:
    put(repository, "m", plus(1), BATCHING)
    options = ("--model-control-mode=explicit", "--load-model=m")
    with served(tmp_path, *options) as server, Load(server, "m") as load:
        load.until_answered(1)
        with http_client.InferenceServerClient(server.http) as client:
            put(repository, "m", plus(2), BATCHING)
            client.load_model("m")
            load.until_answered(2)
            client.load_model("m", config=json.dumps(OVERRIDE))
            assert client.get_model_config("m")["max_batch_size"] == 2
            load.until_answered(2)
            files = {"file:3/model.onnx": plus(7)}
            client.load_model("m", config=json.dumps(OVERRIDE), files=files)
            load.until_answered(7)
            _fail_in_every_way(client, repository)
            load.until_answered(7)
            put(repository, "m", plus(4), BATCHING)
            client.load_model("m")
            load.until_answered(4)
    assert load.errors == []
    assert set(load.answers) == {1, 2, 7, 4}


def _fail_in_every_way(client: Any, repository: Path) -> None:
    put(repository, "m", plus(9)[:100], BATCHING)
    bad: list[dict[str, Any]] = [
        {},
        {"config": json.dumps(OVERRIDE), "files": {"file:1/model.onnx": plus(9)[:100]}},
        {"config": json.dumps(OVERRIDE), "files": {"file:1/other.onnx": plus(9)}},
        {"config": json.dumps(OVERRIDE | {"max_batch_size": -1})},
        {"config": json.dumps({"input": [{"name": "OTHER"}]})},
        {"config": "no JSON"},
    ]
    for options in bad:
        with pytest.raises(InferenceServerException):
            client.load_model("m", **options)
    assert client.is_model_ready("m")
    assert client.is_server_ready()


def test_poll_mode_under_load(tmp_path: Path, repository: Path) -> None:
    put(repository, "m", plus(1), BATCHING)
    options = ("--model-control-mode=poll", "--repository-poll-secs=0.1")
    with served(tmp_path, *options) as server, Load(server, "m") as load:
        load.until_answered(1)
        with http_client.InferenceServerClient(server.http) as client:
            _a_version_appears_bit_by_bit(server, load, repository)
            _a_config_breaks_and_is_mended(server, client, load, repository)
            _a_file_is_replaced(load, repository)
            _a_model_comes_and_goes(client, repository)
            _the_repository_vanishes(server, load, repository)
    assert load.errors == []
    assert set(load.answers) == {1, 2, 3, 4}


def _fails(server: Served, said_before: int) -> None:
    """Another load of `m` has failed since."""
    until(lambda: server.log.read_text().count("failed to load 'm'") > said_before)


def _failures(server: Served) -> int:
    return server.log.read_text().count("failed to load 'm'")


def _a_version_appears_bit_by_bit(server: Served, load: Load, repository: Path) -> None:
    whole = plus(2)
    before = _failures(server)
    (repository / "m" / "2").mkdir()
    _fails(server, before)
    load.until_answered(1)
    before = _failures(server)
    (repository / "m" / "2" / "model.onnx").write_bytes(whole[: len(whole) // 2])
    _fails(server, before)
    load.until_answered(1)
    (repository / "m" / "2" / "model.onnx").write_bytes(whole)
    load.until_answered(2)


def _a_config_breaks_and_is_mended(
    server: Served, client: Any, load: Load, repository: Path
) -> None:
    before = _failures(server)
    (repository / "m" / "config.pbtxt").write_text(BATCHING + "max_batch_size: nonsense")
    _fails(server, before)
    load.until_answered(2)
    assert client.is_server_ready()
    (repository / "m" / "config.pbtxt").write_text(BATCHING.replace("64", "32"))
    until(lambda: client.get_model_config("m")["max_batch_size"] == 32)
    load.until_answered(2)


def _a_file_is_replaced(load: Load, repository: Path) -> None:
    beside = repository.parent / "beside"
    beside.write_bytes(plus(3))
    beside.rename(repository / "m" / "2" / "model.onnx")
    load.until_answered(3)


def _a_model_comes_and_goes(client: Any, repository: Path) -> None:
    put(repository, "other", plus(1), BATCHING)
    until(lambda: client.is_model_ready("other"))
    put(repository, "broken", b"no model")
    until(lambda: not client.is_server_ready())
    shutil.rmtree(repository / "broken")
    until(client.is_server_ready)
    shutil.rmtree(repository / "other")
    until(lambda: not client.is_model_ready("other"))
    assert client.is_server_ready()
    put(repository, "other", plus(1), BATCHING)
    until(lambda: client.is_model_ready("other"))


def _the_repository_vanishes(server: Served, load: Load, repository: Path) -> None:
    away = repository.rename(repository.parent / "away")
    until(lambda: "cannot look at the repositories" in server.log.read_text())
    load.until_answered(3)
    with http_client.InferenceServerClient(server.http) as client:
        states = {row["name"]: row["state"] for row in client.get_model_repository_index()}
    assert states["m"] == "READY"
    away.rename(repository)
    put(repository, "m", plus(4), version=2)
    load.until_answered(4)


def test_several_versions_at_once_change_together(tmp_path: Path, repository: Path) -> None:
    everything = BATCHING + "version_policy { all {} }"
    for number in (1, 2):
        put(repository, "m", plus(number), everything, number)
    options = ("--model-control-mode=explicit", "--load-model=m")
    with (
        served(tmp_path, *options) as server,
        Load(server, "m", "1") as first,
        http_client.InferenceServerClient(server.http) as client,
    ):
        first.until_answered(1)
        put(repository, "m", plus(3)[:50], everything, 3)
        with pytest.raises(InferenceServerException, match="load failed for model 'm'"):
            client.load_model("m")
        put(repository, "m", plus(3), everything, 3)
        client.load_model("m")
        assert client.get_model_metadata("m")["versions"] == ["1", "2", "3"]
        first.until_answered(1)
        shutil.rmtree(repository / "m" / "2")
        client.load_model("m")
        assert client.get_model_metadata("m")["versions"] == ["1", "3"]
        assert not client.is_model_ready("m", "2")
        first.until_answered(1)
    assert (first.errors, set(first.answers)) == ([], {1})


def test_the_old_version_answers_what_it_had_and_goes(tmp_path: Path, repository: Path) -> None:
    gate = put_gated(repository, "m")
    options = ("--model-control-mode=explicit", "--load-model=m")
    with served(tmp_path, *options) as server:
        asking = Asking(server.grpc)
        with http_client.InferenceServerClient(server.http) as client, gate.held(1):
            old = _pid(client)
            under_way = [asking.ask("m", 1)]
            gate.until_running(1)
            under_way.append(asking.ask("m", 2))
            waiting = 'nv_inference_pending_request_count{model="m",version="1"} 1'
            until(lambda: waiting in metrics(server))
            (repository / "m" / "1" / "new").touch()
            client.load_model("m")
            new = _pid(client)
            assert new != old
            assert Path(f"/proc/{old}").exists()
            assert not any(each.done() for each in under_way)
        assert [answer(each) for each in under_way] == [[1], [2]]
        until(lambda: not Path(f"/proc/{old}").exists())
        with http_client.InferenceServerClient(server.http) as client:
            assert _pid(client) == new
        asking.close()


WARM = """
model_warmup { name: "five" batch_size: 1
  inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: [1] input_data_file: "five" } } }
"""


def test_the_old_version_serves_until_the_new_one_is_warm(tmp_path: Path, repository: Path) -> None:
    gate = put_gated(repository, "m", WARM)
    (repository / "m" / "warmup").mkdir()
    (repository / "m" / "warmup" / "five").write_bytes((5).to_bytes(4, "little"))
    options = ("--model-control-mode=explicit", "--load-model=m")
    with (
        served(tmp_path, *options) as server,
        http_client.InferenceServerClient(server.http) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        assert gate.batches == [[5]]
        old = _pid(client)
        (repository / "m" / "1" / "new").touch()
        with gate.held(5):
            loading = thread.submit(_load, server)
            until(lambda: gate.batches.count([5]) == 2)
            assert _pid(client) == old
            assert not loading.done()
        loading.result(60)
        new = _pid(client)
        assert new != old
        (repository / "m" / "warmup" / "five").write_bytes(b"no")
        with pytest.raises(InferenceServerException, match="warm-up sample 'five'"):
            client.load_model("m")
        assert _pid(client) == new
        until(lambda: len(children(server.process.pid)) == 1)  # the one that failed is gone


def _load(server: Served) -> None:
    with http_client.InferenceServerClient(server.http) as client:
        client.load_model("m")


def metrics(server: Served) -> str:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text: str = response.read().decode()
        return text


def _pid(client: Any) -> int:
    given = http_client.InferInput("INPUT0", [1, 1], "INT32")
    given.set_data_from_numpy(np.array([[9]], np.int32))
    return int(client.infer("m", [given]).as_numpy("OUTPUT1")[0, 0])


def test_files_of_a_load_live_as_long_as_what_they_are_served_from(
    tmp_path: Path, repository: Path
) -> None:
    """A Python model's process that dies is started again from its file."""
    put_gated(repository, "m")
    code = (repository / "m" / "1" / "model.py").read_bytes()
    options = ("--model-control-mode=explicit", "--allow-model-overrides")
    with served(tmp_path, *options) as server:
        temporary = Path(os.environ.get("TMPDIR", "/tmp"))
        with http_client.InferenceServerClient(server.http) as client:
            client.load_model("m")
            config = json.dumps(client.get_model_config("m"))
            before = set(temporary.glob("trtserve-*"))
            client.load_model("m", config=config, files={"file:1/model.py": code})
            (made,) = set(temporary.glob("trtserve-*")) - before
            with pytest.raises(InferenceServerException):
                client.load_model(
                    "m", config=config, files={"file:1/model.py": b"raise ValueError"}
                )
            os.kill(_pid(client), 9)
            assert _pid(client)
            client.unload_model("m")
            until(lambda: not made.exists())


def test_memory_is_free_after_an_unload(tmp_path: Path, repository: Path) -> None:
    """Caches of paths and headers keep versions, not engines."""
    weights = np.ones((2_500_000, 16), np.float32)  # 160 MB
    both: tuple[int, Dims] = (TensorProto.FLOAT, ["batch", 16])
    nodes = [
        helper.make_node("Gather", ["weights", "index"], ["row"], axis=0),
        helper.make_node("Add", ["INPUT0", "row"], ["OUTPUT0"]),
    ]
    index: tuple[int, Dims] = (TensorProto.INT64, ["batch"])
    made = model(nodes, {"INPUT0": both, "index": index}, {"OUTPUT0": both}, {"weights": weights})
    put(repository, "m", made)
    del made, weights
    with (
        served(tmp_path, "--model-control-mode=explicit") as server,
        http_client.InferenceServerClient(server.http) as client,
    ):
        before = rss_bytes(server)
        inputs = [
            http_client.InferInput("INPUT0", [1, 16], "FP32"),
            http_client.InferInput("index", [1, 1], "INT64"),
        ]
        inputs[0].set_data_from_numpy(np.zeros((1, 16), np.float32))
        inputs[1].set_data_from_numpy(np.zeros((1, 1), np.int64))
        for _ in range(2):
            client.load_model("m")
            assert client.infer("m", inputs).as_numpy("OUTPUT0")[0, 0] == 1
            assert rss_bytes(server) - before > 150e6
            client.unload_model("m")
            until(lambda: rss_bytes(server) - before < 50e6)


def rss_bytes(server: Served) -> int:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")
