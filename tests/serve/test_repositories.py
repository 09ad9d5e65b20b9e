"""What lies in a repository: links to where models are kept, and whether anything has changed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.http as http_client
from trtserve.protocols.grpc_status import status_text
from trtserve.protocols.messages import message
from trtserve.protocols.v2_json import error_body
from trtserve.repositories import fingerprint_of, model_directories

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, plus, put
from tests.serve.sockets.wire import called, exchange, framed
from tests.serve.test_models import ask, post
from trtbuild.foreign import ANYWHERE

# What is a link, in a repository whose models are kept elsewhere.
LINKED = {"model": "m", "version": "m/1", "file": "m/1/model.onnx", "config": "m/config.pbtxt",
          "labels": "m/labels"}  # fmt: skip
TWO = {"max_batch_size": 2}
LABELLED = CONFIG_16.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "labels"')


def linked(repository: Path, store: Path, path: str) -> None:
    """Move what lies at `path` to the store, and leave a link to it."""
    store.mkdir(exist_ok=True)
    target = store / path.replace("/", "_")
    (repository / path).rename(target)
    (repository / path).symlink_to(target)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = put(tmp_path / "repository", "m", plus(1), LABELLED)
    (folder / "labels").write_text("zero\n")
    return tmp_path / "repository"


@pytest.mark.parametrize("what", [name for name in LINKED if name != "labels"])
def test_links_to_where_models_are_kept_are_followed(
    start: Callable[..., Running], repository: Path, tmp_path: Path, what: str
) -> None:
    linked(repository, tmp_path / "store", LINKED[what])
    server = start(
        repository, control="explicit", load_models=("m",), grpc_port=-1, follow_links=True
    )
    assert ask(server, "m") == 1
    # As tools do: the server's own config, with a change.
    with http_client.InferenceServerClient(server.http) as client:
        client.load_model("m", config=json.dumps(client.get_model_config("m") | TWO))
        assert client.get_model_config("m")["max_batch_size"] == 2
    assert ask(server, "m") == 1


@pytest.mark.parametrize("what", [name for name in LINKED if name != "labels"])
def test_links_out_of_the_repository_are_not_followed_unasked(
    start: Callable[..., Running], repository: Path, tmp_path: Path, what: str
) -> None:
    """In somebody else's repository they may lead to any file of this machine."""
    linked(repository, tmp_path / "store", LINKED[what])
    server = start(repository, control="explicit", grpc_port=-1)
    status, text = post(server, "/v2/repository/models/m/load")
    assert (status in {400, 500}, "is a link that leads out" in str(text)) == (True, True), text


@pytest.mark.parametrize("what", [name for name in LINKED if name != "labels"])
def test_links_within_the_repository_are_followed(
    start: Callable[..., Running], repository: Path, what: str
) -> None:
    """As Kubernetes mounts a ConfigMap, and as versions share a file. `.store` is no model."""
    linked(repository, repository / ".store", LINKED[what])
    server = start(repository, grpc_port=-1, exit_on_error=False)
    assert ask(server, "m") == 1


def test_a_file_that_the_directorys_config_names_may_be_a_link(
    start: Callable[..., Running], repository: Path, tmp_path: Path
) -> None:
    linked(repository, tmp_path / "store", "m/1/model.onnx")
    (repository / "m/1/model.onnx").rename(repository / "m/1/other.onnx")
    config = repository / "m/config.pbtxt"
    config.write_text(f'{LABELLED}\nbackend: "onnxruntime" default_model_filename: "other.onnx"')
    assert ask(start(repository, grpc_port=-1, follow_links=True), "m") == 1


def test_labels_stay_within_as_in_triton(
    start: Callable[..., Running], repository: Path, tmp_path: Path
) -> None:
    linked(repository, tmp_path / "store", "m/labels")
    server = start(repository, grpc_port=-1, exit_on_error=False)
    (row,) = json.loads(post(server, "/v2/repository/index")[1])
    assert "label file 'labels' lies outside" in row["reason"]


@pytest.mark.parametrize("what", ["model", "version", "file"])
def test_a_link_that_leads_elsewhere_is_a_change(
    start: Callable[..., Running], repository: Path, tmp_path: Path, what: str
) -> None:
    """Though everything there has the same size and time."""
    store = tmp_path / "store"
    linked(repository, store, LINKED[what])
    link = repository / LINKED[what]
    second = put(tmp_path / "second", "m", plus(2), LABELLED)
    (second / "labels").write_text("zero\n")
    new = tmp_path / "second" / LINKED[what]
    for path in (*store.rglob("*"), *tmp_path.glob("second/**/*")):
        os.utime(path, (0, 0))
    server = start(repository, control="poll", poll_s=0.05, grpc_port=-1, follow_links=True)
    assert ask(server, "m") == 1
    (tmp_path / "link").symlink_to(new)
    (tmp_path / "link").rename(link)
    until(lambda: ask(server, "m") == 2)


@pytest.mark.parametrize("what", LINKED)
def test_what_changes_behind_a_link_is_a_change(
    repository: Path, tmp_path: Path, what: str
) -> None:
    linked(repository, tmp_path / "store", LINKED[what])
    before = fingerprint_of(repository / "m", ANYWHERE)
    assert fingerprint_of(repository / "m", ANYWHERE) == before
    target = repository / LINKED[what]
    while target.is_dir():
        target = min(target.iterdir())
    target.write_bytes(target.read_bytes() + b"\n")
    assert fingerprint_of(repository / "m", ANYWHERE) != before


def test_links_in_circles_and_to_nowhere_have_an_end(repository: Path) -> None:
    folder = repository / "m"
    (folder / "1" / "up").symlink_to(folder / "1")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "nowhere").symlink_to(folder / "nothing")
    (folder / ".hidden").mkdir()
    rows = fingerprint_of(folder, ANYWHERE)
    assert len(rows) == len(set(rows)) == 8
    (folder / ".hidden" / "file").touch()
    (folder / ".also hidden").mkdir()
    assert fingerprint_of(folder, ANYWHERE) == rows
    (folder / "nothing").touch()
    assert fingerprint_of(folder, ANYWHERE) != rows
    assert list(model_directories([repository], ANYWHERE).directories) == ["m"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_names_that_are_no_text_are_a_problem_of_their_own(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """The index was a 500 for all models then, and a load was never answered."""
    put(tmp_path, "model", plus(1), CONFIG_16)
    put(tmp_path, os.fsdecode(b"mod\xffel"), plus(1), CONFIG_16)
    listing = model_directories([tmp_path], ANYWHERE)
    assert list(listing.directories) == ["model"]
    assert listing.problems == {r"mod\xffel": "has a name that is not UTF-8"}
    server = start(tmp_path, control="explicit", load_models=("model",))
    status, body = post(server, "/v2/repository/index")
    assert (status, [row["name"] for row in json.loads(body)]) == (200, ["model"])
    status, body = post(server, "/v2/repository/models/mod%5Cxffel/load")
    assert status == 400  # a backslash is in no model's name
    for name in ("mod%FFel", "modell"):
        path = f"POST /v2/repository/models/{name}/load HTTP/1.1\r\nHost: localhost\r\n\r\n"
        (answer,) = exchange(server, path.encode())
        assert "near it are: model" in answer.error
    request = message("RepositoryModelLoadRequest")(model_name="modell")
    path = "/inference.GRPCInferenceService/RepositoryModelLoad"
    code, text = called(server, framed(request.SerializeToString()), (":path", path))
    assert (code, "near it are: model" in text) == (13, True)


def test_an_error_may_name_a_file_whose_name_is_no_text() -> None:
    text = os.fsdecode(b"cannot read mod\xffel")
    assert error_body(text) == b'{"error":"cannot read mod?el"}'
    assert status_text(text) == b"cannot read mod?el"
