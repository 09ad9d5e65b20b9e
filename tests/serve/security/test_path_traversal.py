"""Names that lead out of the repository: of models, versions and files.

CVE-2026-24208, CVE-2026-24209.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, put
from tests.serve.sockets.wire import called, exchange, framed

pytestmark = pytest.mark.usefixtures("no_traceback")
NAMES = ["..", "../identity", "..%2fidentity", "/etc", "identity/../identity", "identity/1", ".",
         "./identity", "~", "identity\0", "\0", "..\\identity", "", " ", "identity/",
         "//identity", "%2e%2e", "a" * 300, "file:///etc"]  # fmt: skip
FILES = ["../../outside", "/outside", "1/../../outside", "..", "", ".", "1/../../../outside",
         "./../outside", "a\0b"]  # fmt: skip


@pytest.fixture(scope="module")
def explicit(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    around = tmp_path_factory.mktemp("around")
    put(around, "outside", identity(), CONFIG_16)
    put(around / "repository", "identity", identity(), CONFIG_16)
    return start(around / "repository", control="explicit", load_models=("identity",))


def everything(server: Running) -> set[str]:
    """All paths around the repository and in the temporary directory."""
    around = server.server._settings.repositories[0].parent
    return {str(path) for path in around.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_model_names(explicit: Running, name: str) -> None:
    before = everything(explicit)
    for text in {quote(name, safe=""), quote(name, safe="/%")}:
        for verb, path in (
            ("POST", f"/v2/repository/models/{text}/load"),
            ("POST", f"/v2/repository/models/{text}/unload"),
            ("GET", f"/v2/models/{text}/config"),
            ("POST", f"/v2/models/{text}/infer"),
            ("GET", f"/v2/models/identity/versions/{text}"),
        ):
            (answer,) = exchange(
                explicit, f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            # What is looked for by its name alone is not found; Triton says 500 to a load of it.
            assert 400 <= answer.status < 500 or "in no model repository" in answer.error
    for rpc, field in (("RepositoryModelLoad", "model_name"), ("ModelConfig", "name"),
                       ("RepositoryModelUnload", "model_name"), ("ModelInfer", "model_name"),
                       ("ModelMetadata", "name")):  # fmt: skip
        request = message(f"{rpc}Request")(**{field: name})
        path = f"/inference.GRPCInferenceService/{rpc}"
        code, text = called(explicit, framed(request.SerializeToString()), (":path", path))
        assert code in (3, 5) or "in no model repository" in text
    assert everything(explicit) == before


@pytest.mark.parametrize("file", FILES)
def test_override_files(explicit: Running, file: str) -> None:
    before = everything(explicit)
    content = base64.b64encode(identity()).decode()
    body = {"parameters": {"config": '{"max_batch_size": 64}', f"file:{file}": content}}
    data = json.dumps(body).encode()
    head = f"POST /v2/repository/models/identity/load HTTP/1.1\r\nContent-Length: {len(data)}"
    (answer,) = exchange(explicit, head.encode() + b"\r\n\r\n" + data)
    assert (answer.status, "must stay within the model's directory" in answer.error) == (400, True)
    request = message("RepositoryModelLoadRequest")(model_name="identity")
    request.parameters["config"].string_param = '{"max_batch_size": 64}'
    request.parameters[f"file:{file}"].bytes_param = identity()
    path = "/inference.GRPCInferenceService/RepositoryModelLoad"
    code, text = called(explicit, framed(request.SerializeToString()), (":path", path))
    assert (code, "must stay within" in text) == (3, True)
    assert everything(explicit) == before


@pytest.mark.parametrize("content", ["\u00e9", "eA==\u2028", "eA", "e", "%%%", "eA==\n"])
def test_files_that_are_no_base64(explicit: Running, content: str) -> None:
    body = {"parameters": {"config": "{}", "file:1/model.onnx": content}}
    data = json.dumps(body, ensure_ascii=False).encode()
    head = f"POST /v2/repository/models/identity/load HTTP/1.1\r\nContent-Length: {len(data)}"
    (answer,) = exchange(explicit, head.encode() + b"\r\n\r\n" + data)
    assert (answer.status, "is no base64" in answer.error) == (400, True)


@pytest.mark.parametrize("name", ["a\nI1121 fake", "a\r", "\x1b[2Ka", "a\x85", "a\x7f", "\na"])
def test_names_that_would_write_lines_of_the_log(explicit: Running, name: str) -> None:
    files = {"config": "{}", "file:1/model.onnx": "eA=="}
    data = json.dumps({"parameters": files}).encode()
    for verb in ("load", "unload"):
        path = f"/v2/repository/models/{quote(name)}/{verb}"
        head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n"
        (answer,) = exchange(explicit, head.encode() + data)
        assert (answer.status, "is no model name" in answer.error) == (400, True)


@pytest.mark.parametrize(
    "config",
    ['{"default_model_filename": "../../../outside/1/model.onnx"}',
     '{"default_model_filename": "/etc/passwd"}',
     '{"output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [16], '
     '"label_filename": "../../outside/config.pbtxt"}]}',
     '{"name": "../outside"}'],
)  # fmt: skip
def test_names_within_a_config(explicit: Running, config: str) -> None:
    """A config comes from a client too: what it names stays within the model's directory."""
    data = json.dumps({"parameters": {"config": config}}).encode()
    head = f"POST /v2/repository/models/identity/load HTTP/1.1\r\nContent-Length: {len(data)}"
    (answer,) = exchange(explicit, head.encode() + b"\r\n\r\n" + data)
    assert 400 <= answer.status < 500, answer
    (config_now,) = exchange(explicit, b"GET /v2/models/identity/config HTTP/1.1\r\n\r\n")
    assert config_now.status == 200
    assert json.loads(config_now.body)["name"] == "identity"


def test_the_log_file_is_not_the_clients_to_choose(explicit: Running, tmp_path: Path) -> None:
    target = tmp_path / "chosen"
    data = json.dumps({"log_file": os.fspath(target)}).encode()
    head = f"POST /v2/logging HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    (answer,) = exchange(explicit, head + data)
    assert answer.status // 100 in (4, 5)
    assert not target.exists()
