"""Loads that bring code: who may call load may not run programs, unless the owner says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, plus, put
from tests.serve.sockets.wire import HttpAnswer, called, exchange, framed

pytestmark = pytest.mark.usefixtures("no_traceback")
_TENSORS = {
    "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [16]}],
    "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [16]}],
    "max_batch_size": 64,
}
_PYTHON = b"class TritonPythonModel:\n  def execute(self, requests): return []\n"
_PLAN = b"ftrt" + bytes(100)
CODE: list[tuple[dict[str, Any], dict[str, bytes]]] = [
    ({"backend": "python"}, {"1/model.py": _PYTHON}),
    ({}, {"1/model.py": _PYTHON}),  # auto-complete finds the backend
    ({"backend": "python", "default_model_filename": "harmless"}, {"1/harmless": _PYTHON}),
    ({"backend": "python", "default_model_filename": "model.onnx"}, {"1/model.onnx": _PYTHON}),
    ({"backend": "tensorrt"}, {"1/model.plan": _PLAN}),
    ({"platform": "tensorrt_plan"}, {"1/model.plan": _PLAN}),
    ({"platform": "tensorrt_plan", "default_model_filename": "a"}, {"1/a": bytes(100)}),
    ({"backend": "tensorrt_rtx", "default_model_filename": "a"}, {"1/a": b"vtrt" + bytes(9)}),
    ({}, {"1/model.plan": _PLAN, "1/model.onnx": plus(1)}),
    ({"backend": "tensorrt"}, {"1/model.onnx": plus(1)}),  # what it would fall back on
    # Beside a model that runs: nothing loads them today.
    ({"backend": "onnxruntime"}, {"1/model.onnx": plus(1), "1/libops.so.1": b"x"}),
    ({"backend": "onnxruntime"}, {"1/model.onnx": plus(1), "1/ops.DLL": b"x"}),
    ({"backend": "onnxruntime"}, {"1/model.onnx": plus(1), "labels.txt": b"\x7fELF\x02"}),
    ({"backend": "onnxruntime"}, {"1/model.onnx": plus(1), "run": b"#!/bin/sh\n"}),
    ({"backend": "onnxruntime"}, {"1/model.onnx": plus(1), "x": b"\xcf\xfa\xed\xfe"}),
]


@pytest.fixture(scope="module")
def explicit(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16)
    return start(repository, control="explicit", load_models=("identity",))


def load(server: Running, config: dict[str, Any], files: dict[str, bytes]) -> HttpAnswer:
    parameters = {"config": json.dumps(_TENSORS | config)}
    for name, content in files.items():
        parameters[f"file:{name}"] = base64.b64encode(content).decode()
    data = json.dumps({"parameters": parameters}).encode()
    head = b"POST /v2/repository/models/identity/load HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    (answer,) = exchange(server, head % len(data) + data)
    return answer


@pytest.mark.parametrize(("config", "files"), CODE, ids=str)
def test_code_is_refused(
    explicit: Running, config: dict[str, Any], files: dict[str, bytes]
) -> None:
    answer = load(explicit, config, files)
    assert "--allow-model-overrides" in answer.error, answer.error
    request = message("RepositoryModelLoadRequest")(model_name="identity")
    request.parameters["config"].string_param = json.dumps(_TENSORS | config)
    for name, content in files.items():
        request.parameters[f"file:{name}"].bytes_param = content
    path = "/inference.GRPCInferenceService/RepositoryModelLoad"
    _, text = called(explicit, framed(request.SerializeToString()), (":path", path))
    assert "--allow-model-overrides" in text
    assert explicit.server.models.version("identity").runs_on == "onnxruntime on cpu"


def test_data_is_taken(explicit: Running) -> None:
    """An ONNX model with labels, as before."""
    config = dict(_TENSORS)
    config["output"] = [config["output"][0] | {"label_filename": "labels.txt"}]  # type: ignore[index]
    answer = load(explicit, config, {"7/model.onnx": plus(1), "labels.txt": b"MX\nb\n"})
    assert answer.status == 200, answer.error
    assert explicit.server.models.version("identity").number == "7"


def test_the_owner_lets_code_in(
    start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16)
    server = start(repository, control="explicit", allow_overrides=True)
    ran = f'open({str(tmp_path / "ran")!r}, "w")\n'.encode()
    answer = load(server, {"backend": "python"}, {"1/model.py": ran + _PYTHON})
    assert (answer.status, (tmp_path / "ran").exists()) == (200, True), answer.body
