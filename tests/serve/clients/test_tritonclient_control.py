"""Everything but inference by the four clients of tritonclient."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.serve.clients.callers import Caller
from tests.serve.clients.served import Served
from tests.serve.models import CONFIG_16, plus, put


def test_health(client: Caller) -> None:
    assert client.is_server_live() is True
    assert client.is_server_ready() is True
    assert client.is_model_ready("identity") is True
    assert client.is_model_ready("identity", "1") is True
    assert client.is_model_ready("identity", "2") is False
    assert client.is_model_ready("nothing") is False


def test_metadata(client: Caller) -> None:
    server = client.told("get_server_metadata")
    assert server["name"] == "trtserve"
    assert {"binary_tensor_data", "model_repository", "statistics"} <= set(server["extensions"])
    model = client.told("get_model_metadata", "add_sub", "1")
    assert model["versions"] == ["1"]
    for kind in ("inputs", "outputs"):
        shapes = {each["name"]: [int(dim) for dim in each["shape"]] for each in model[kind]}
        assert shapes == {f"{kind[:-1].upper()}{number}": [-1, 16] for number in (0, 1)}


def test_config_is_complete(client: Caller) -> None:
    config = client.told("get_model_config", "add_sub")
    config = config if client.http else config["config"]
    assert (config["name"], config["backend"]) == ("add_sub", "onnxruntime")
    assert config["max_batch_size"] == 4  # the config did not say
    assert config["dynamic_batching"]["preferred_batch_size"] == [4]
    dims = [[int(dim) for dim in each["dims"]] for each in config["input"]]
    assert dims == [[16], [16]]


def test_statistics(client: Caller) -> None:
    def model() -> Any:
        (found,) = client.told("get_inference_statistics", "labelled", "1")["model_stats"]
        return found

    before = client.told("get_inference_statistics")
    assert "labelled" in [each["name"] for each in before["model_stats"]]
    given = client.tensor("INPUT0", np.zeros((3, 16), np.float32))
    client.infer("labelled", [given])
    first = model()
    client.infer("labelled", [given])
    second = model()
    assert int(second["inference_count"]) - int(first["inference_count"]) == 3
    assert int(second["execution_count"]) - int(first["execution_count"]) == 1
    for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        counts = [int(each["inference_stats"][part]["count"]) for each in (first, second)]
        assert counts[1] - counts[0] == 1, part
    sizes = [int(each["batch_size"]) for each in second["batch_stats"]]
    assert 3 in sizes


def test_log_settings(client: Caller) -> None:
    def said(answer: Any) -> Any:
        if client.http:
            return answer
        # Each is a message with the one field that is set; a number may be 32 bits wide.
        return {k: next(iter(v.values())) for k, v in answer["settings"].items()}

    changed = said(client.told("update_log_settings", {"log_verbose_level": 1}))
    assert (changed["log_verbose_level"], changed["log_info"]) == (1, True)
    client.told("update_log_settings", {"log_verbose_level": 0})
    found = said(client.told("get_log_settings"))
    assert (found["log_verbose_level"], found["log_format"]) == (0, "default")
    with pytest.raises(InferenceServerException, match="log file location"):
        client.told("update_log_settings", {"log_file": "/tmp/elsewhere"})


def index(client: Caller) -> dict[str, dict[str, str]]:
    rows = client.told("get_model_repository_index")
    return {row["name"]: row for row in (rows if client.http else rows.get("models", []))}


def answer_of(client: Caller, name: str, size: int = 16) -> float:
    result = client.infer(name, [client.tensor("INPUT0", np.zeros((1, size), np.float32))])
    return float(result.as_numpy("OUTPUT0")[0, 0])


def test_load_change_and_unload(client: Caller, served: Served) -> None:
    name = "changing"
    put(served.repository, name, plus(1), CONFIG_16)
    client.load_model(name)
    assert index(client)[name]["state"] == "READY"
    assert answer_of(client, name) == 1
    override = {
        "backend": "onnxruntime", "max_batch_size": 2,
        "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": ["16"]}],
        "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": ["16"]}],
    }  # fmt: skip
    client.load_model(name, config=json.dumps(override))
    config = client.told("get_model_config", name)
    assert (config if client.http else config["config"])["max_batch_size"] == 2
    client.load_model(name, config=json.dumps(override), files={"file:7/model.onnx": plus(5)})
    assert client.told("get_model_metadata", name)["versions"] == ["7"]
    assert answer_of(client, name) == 5
    client.unload_model(name, unload_dependents=True)
    assert client.is_model_ready(name) is False
    assert index(client)[name].get("state", "") != "READY"


def test_loads_that_fail_say_why_and_change_nothing(client: Caller) -> None:
    for options, words in (
        ({"config": "{"}, "config"),
        ({"files": {"file:1/model.onnx": b"x"}}, "config"),
        ({"config": "{}", "files": {"file:../../x": b"x"}}, "within the model"),
    ):
        with pytest.raises(InferenceServerException, match=words):
            client.load_model("labelled", **options)
    with pytest.raises(InferenceServerException, match="nothing"):
        client.load_model("nothing")
    assert client.is_model_ready("labelled")


def test_what_is_not_served_is_refused(client: Caller) -> None:
    for method in ("get_trace_settings", "get_system_shared_memory_status"):
        with pytest.raises(InferenceServerException):
            client.told(method)
    assert client.is_server_live()
