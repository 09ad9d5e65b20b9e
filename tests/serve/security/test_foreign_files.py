"""Repositories of somebody else: files that are not as locked, and names that lead out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import onnx
import pytest
from trtserve.checking import check
from trtserve.settings import Settings
from typer.testing import CliRunner

from tests.repository.content import content
from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, plus, put
from tests.serve.test_models import ask, post
from trtbuild.cli.app import app
from trtbuild.repository.write import write_version

LOCKED = CONFIG_16 + '\nbackend: "onnxruntime"'


def locked(repository: Path, value: float, scratch: Path) -> Path:
    """A model that adds `value`, as trtbuild writes one; without plans, so that it runs here."""
    made = content(scratch, name="m")
    (scratch / "onnx").write_bytes(plus(value))
    lock = msgspec.structs.replace(made.lock, plans=())
    files = {"model.onnx": scratch / "onnx"}
    write_version(repository, made._replace(files=files, config=lambda _: LOCKED, lock=lock))
    return repository / "m"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return locked(tmp_path / "repository", 1, tmp_path / "scratch")


def test_what_is_as_locked_is_served(
    start: Callable[..., Running], model: Path, tmp_path: Path
) -> None:
    server = start(model.parent, require_lock=True, grpc_port=-1)
    assert ask(server, "m") == 1
    locked(model.parent, 2, tmp_path / "scratch")
    server = start(model.parent, require_lock=True, grpc_port=-1)
    assert ask(server, "m") == 2


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


CHANGES: dict[str, Callable[[Path], object]] = {
    "weights are other ones": lambda m: (m / "1/model.onnx").write_bytes(plus(9)),
    "weights are zeroed": lambda m: zeroed(m / "1/model.onnx"),
    "a file is added": lambda m: (m / "1/model.py").write_text(""),
    "the lock is gone": lambda m: (m / "1/trtbuild.lock.json").unlink(),
    "the config is edited": lambda m: (m / "config.pbtxt").write_text(LOCKED + "\n"),
    "the config is gone": lambda m: (m / "config.pbtxt").unlink(),
    "a version is added": lambda m: put(m.parent, "m", plus(9), LOCKED, version=2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_not_as_locked_is_refused(model: Path, what: str) -> None:
    """By the server, by its check and by the validator; the sound model before is taken by all."""
    settings = Settings(repositories=(model.parent,), require_lock=True)
    serve = ["serve", str(model.parent), "--check", "--require-lock"]
    validate = ["repo", "validate", str(model.parent), "--require-lock", "--server", "trtbuild"]
    assert [row.problem for row in check(settings)] == [""]
    assert [CliRunner().invoke(app, each).exit_code for each in (serve, validate)] == [0, 0]
    CHANGES[what](model)
    (row,) = check(settings)
    assert "it is not as locked" in row.problem
    for arguments in (serve, validate):
        done = CliRunner().invoke(app, arguments)
        assert (done.exit_code, "K008" in done.output) == (1, True), done.output


def test_a_reload_of_what_was_changed_leaves_what_was_served(
    start: Callable[..., Running], model: Path
) -> None:
    server = start(
        model.parent, require_lock=True, control="explicit", load_models=("m",), grpc_port=-1
    )
    (model / "1/model.onnx").write_bytes(plus(9))
    status, text = post(server, "/v2/repository/models/m/load")
    assert (status, "it is not as locked" in str(text)) == (400, True)
    assert ask(server, "m") == 1


def test_a_clients_config_is_in_no_lock(start: Callable[..., Running], model: Path) -> None:
    server = start(
        model.parent, require_lock=True, control="explicit", load_models=("m",), grpc_port=-1
    )
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 2})
    status, text = post(server, "/v2/repository/models/m/load", {"parameters": {"config": config}})
    assert (status, "--require-lock" in str(text)) == (400, True), text


def test_no_comment_in_a_config_allows_it(model: Path) -> None:
    (model / "config.pbtxt").write_text("# trtbuild: allow K008, K007, L017, F019\n" + LOCKED)
    validate = ["repo", "validate", str(model.parent), "--require-lock", "--server", "trtbuild"]
    done = CliRunner().invoke(app, validate)
    assert (done.exit_code, "error K008" in done.output) == (1, True), done.output


NAMES = ["../../../secret.data", "{root}/secret.data", "link.data", "sub/link.data"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_an_onnx_file_lie_in_its_folder(tmp_path: Path, name: str) -> None:
    """ONNX Runtime would open what the file names."""
    folder = put(tmp_path / "repository", "m", plus(1), LOCKED) / "1"
    (tmp_path / "secret.data").write_bytes(bytes(4))
    (folder / "sub").mkdir()
    for link in ("link.data", "sub/link.data"):
        (folder / link).symlink_to(tmp_path / "secret.data")
    made = onnx.load(folder / "model.onnx")
    (tensor,) = made.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name.format(root=tmp_path))
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    (row,) = check(Settings(repositories=(tmp_path / "repository",)))
    assert "outside the model's folder" in row.problem, row
    done = CliRunner().invoke(app, ["repo", "validate", str(tmp_path / "repository")])
    assert (done.exit_code, "F007" in done.output) == (1, True), done.output


@pytest.mark.parametrize("name", ["../1/model.onnx", "{root}/secret.onnx", "link.onnx", ".."])
def test_a_model_file_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    """Though the directory's own config names it."""
    name = name.format(root=tmp_path)
    folder = put(
        tmp_path / "repository", "m", plus(1), f'{LOCKED}\ndefault_model_filename: "{name}"'
    )
    (tmp_path / "secret.onnx").write_bytes(plus(9))
    (folder / "1/link.onnx").symlink_to(tmp_path / "secret.onnx")
    (row,) = check(Settings(repositories=(tmp_path / "repository",)))
    assert "must stay within the model's directory" in row.problem, row
    done = CliRunner().invoke(app, ["repo", "validate", str(tmp_path / "repository")])
    assert (done.exit_code, "F019" in done.output) == (1, True), done.output
