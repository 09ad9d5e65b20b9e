"""No byte a client sends names a file outside the repository (CVE-2026-24208 and its kind).

Beside the repository lies a whole model, a label file and a warm-up file. Nothing that a client can
say may lead there: model names, versions, files of a load, files that a load's config names.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, plus, put

SECRET = "SECRET"
OPEN = {
    "backend": "onnxruntime", "max_batch_size": 64,
    "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": ["16"]}],
    "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": ["16"]}],
}  # fmt: skip
NAMES = ["..", ".", "../outside/m", "../../outside/m", "{root}/outside/m", "m/../../outside/m",
         "..\\outside\\m", "m\0", "\0", " ", "folder/../../outside/m", "m\n",
         "x" * 300]  # fmt: skip
VERSIONS = ["../1", "..", "1/../1", "1\0", "-1", "+1", "1 ", "\u0661", "0x1", "9" * 30]
FILES = ["../x", "../../outside/x", "/x", "{root}/x", "1/../../x", "1/../../../outside/x", "..",
         ".", "", "/", "1/\0", "1/..", "x" * 300, "1/" + "y/" * 3000 + "z"]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for folder in ("repository", "outside"):
        put(root / folder, "m", plus(1 if folder == "repository" else 99), CONFIG_16)
    (root / "outside" / "labels").write_text(f"{SECRET}\n" * 16)
    (root / "outside" / "zeros").write_bytes(bytes(64))
    inside = root / "repository" / "m"
    (inside / "warmup").mkdir()
    for link, target in (
        ("1/link.onnx", "m/1/model.onnx"), ("labels_link", "labels"), ("warmup/link", "zeros"),
        ("folder", "."),
    ):  # fmt: skip
        (inside / link).symlink_to(root / "outside" / target)
    return root


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], root: Path) -> Running:
    return start(root / "repository", control="explicit", load_models=("m",), metrics_port=-1)


@pytest.fixture(autouse=True)
def nothing_else(server: Running, root: Path) -> Iterator[None]:
    """After each test: one model, its own answers, no file anywhere."""
    before = sorted(root.rglob("*"))
    yield
    assert sorted(root.rglob("*")) == before
    _, body = post(server, "/v2/repository/index", {})
    rows = json.loads(body)
    assert [row["name"] for row in rows if row.get("state") == "READY"] == ["m"]
    given = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.0] * 16}
    wanted = {"name": "OUTPUT0", "parameters": {"classification": 1}}
    for outputs in ([], [wanted]):
        asked = {"inputs": [given], **({"outputs": outputs} if outputs else {})}
        status, body = post(server, "/v2/models/m/infer", asked)
        assert (status, SECRET in body, "99.0" in body) == (200, False, False)


def send(server: Running, method: str, path: bytes, body: bytes) -> tuple[int, str]:
    """A request whose path is sent as it is."""
    with socket.create_connection(("127.0.0.1", server.server.ports["http"]), 30) as connection:
        connection.sendall(
            method.encode() + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        received = b""
        while part := connection.recv(65536):
            received += part
    head, _, text = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), text.decode(errors="replace")


def post(server: Running, path: str, body: Any) -> tuple[int, str]:
    return send(server, "POST", path.encode(), json.dumps(body).encode())


def spellings(text: str) -> list[bytes]:
    """As it is where HTTP lets it, percent-encoded, and twice so."""
    raw = text.encode()
    once = b"".join(b"%%%02X" % byte for byte in raw)
    plain = raw.replace(b" ", b"%20").replace(b"\0", b"%00").replace(b"\n", b"%0A")
    return [plain, once, once.lower(), once.replace(b"%", b"%25")]


@pytest.mark.parametrize("name", NAMES)
def test_model_names_over_http(server: Running, root: Path, name: str) -> None:
    for spelt in spellings(name.format(root=root)):
        models, loads = b"/v2/models/" + spelt, b"/v2/repository/models/" + spelt
        for method, path in (
            ("POST", models + b"/infer"), ("GET", models + b"/config"), ("GET", models),
            ("GET", models + b"/ready"), ("GET", models + b"/stats"), ("POST", loads + b"/load"),
            ("POST", loads + b"/unload"),
        ):  # fmt: skip
            status, body = send(server, method, path, b"{}")
            assert status in (400, 404, 500), (method, path, status)
            assert "internal error" not in body, (path, body)
            assert "OUTPUT0" not in body


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_over_http(server: Running, version: str) -> None:
    for spelt in spellings(version):
        for end, method in ((b"/infer", "POST"), (b"/config", "GET"), (b"", "GET")):
            status, body = send(server, method, b"/v2/models/m/versions/" + spelt + end, b"{}")
            assert status in (400, 404), (spelt, status)
            assert "internal error" not in body


@pytest.mark.parametrize("name", NAMES)
def test_names_and_versions_over_grpc(server: Running, root: Path, name: str) -> None:
    name = name.format(root=root)
    asked = [
        ("RepositoryModelLoad", {"model_name": name}),
        ("RepositoryModelUnload", {"model_name": name}),
        ("ModelConfig", {"name": name}),
        ("ModelMetadata", {"name": name}),
        ("ModelInfer", {"model_name": name}),
        *(("ModelConfig", {"name": "m", "version": version}) for version in VERSIONS),
        *(("ModelInfer", {"model_name": "m", "model_version": version}) for version in VERSIONS),
    ]
    with grpc.insecure_channel(server.grpc) as channel:
        for method, fields in asked:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            with pytest.raises(grpc.RpcError) as caught:
                call(message(f"{method}Request")(**fields).SerializeToString(), timeout=30)
            assert "internal error" not in (caught.value.details() or ""), (method, fields)


@pytest.mark.parametrize("file", FILES)
def test_files_of_a_load(server: Running, root: Path, file: str) -> None:
    file = file.format(root=root)
    content = base64.b64encode(plus(99)).decode()
    for name in ("m", "new"):
        status, body = post(server, f"/v2/repository/models/{name}/load", {"parameters": {
            "config": json.dumps(OPEN), f"file:{file}": content}})  # fmt: skip
        assert (status, "internal error" in body) == (400, False), body
        # Before anything is written anywhere.
        leads_out = file.startswith("/") or ".." in file.split("/") or "\0" in file
        assert "must stay within the model's directory" in body or not leads_out, body
    request = message("RepositoryModelLoadRequest")(model_name="m")
    request.parameters["config"].string_param = json.dumps(OPEN)
    request.parameters[f"file:{file}"].bytes_param = plus(99)
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelLoad")
        with pytest.raises(grpc.RpcError) as caught:
            call(request.SerializeToString(), timeout=30)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_files_of_a_load_that_cannot_be_beside_each_other(server: Running) -> None:
    content = base64.b64encode(plus(99)).decode()
    status, body = post(server, "/v2/repository/models/m/load", {"parameters": {
        "config": json.dumps(OPEN), "file:1": content, "file:1/model.onnx": content}})  # fmt: skip
    assert (status, "each 'file:' needs a path of its own" in body) == (400, True)


def _labelled(name: str) -> dict[str, Any]:
    return {"output": [OPEN["output"][0] | {"label_filename": name}]}  # type: ignore[index]  # JSON


def _warmed(name: str) -> dict[str, Any]:
    value = {"data_type": "TYPE_FP32", "dims": ["16"], "input_data_file": name}
    return {"model_warmup": [{"name": "s", "batch_size": 1, "inputs": {"INPUT0": value}}]}


@pytest.mark.parametrize("made", [
    lambda name: {"default_model_filename": name}, _labelled, _warmed,
], ids=["model", "labels", "warm-up"])  # fmt: skip
@pytest.mark.parametrize("name", [
    "{up}/outside/{what}", "{root}/outside/{what}", "link{suffix}", "labels_link",
    "../folder/{what}", "folder/{what}", "../1/../../../outside/{what}", "\0", "{what}\0",
    "..", "/",
])  # fmt: skip
def test_files_that_a_loads_config_names(
    server: Running, root: Path, made: Callable[[str], dict[str, Any]], name: str
) -> None:
    what = {"default_model_filename": "m/1/model.onnx", "output": "labels", "model_warmup": "zeros"}
    (kind,) = made("")
    up = "../.." if kind == "output" else "../../.."
    name = name.format(
        up=up,
        root=root,
        what=what[kind],
        suffix=".onnx" if kind == "default_model_filename" else "",
    )
    status, body = post(server, "/v2/repository/models/m/load", {"parameters": {
        "config": json.dumps(OPEN | made(name))}})  # fmt: skip
    assert (status, "load failed for model 'm'" in body) == (400, True), body
    assert SECRET not in body


@pytest.mark.parametrize("name", ["../m", "{root}/outside/m", "other", "m\0"])
def test_the_name_in_a_loads_config(server: Running, root: Path, name: str) -> None:
    named = OPEN | {"name": name.format(root=root)}
    status, body = post(server, "/v2/repository/models/m/load", {"parameters": {
        "config": json.dumps(named)}})  # fmt: skip
    assert (status, "unexpected directory name" in body) == (400, True)
