"""How a server begins: ports, repositories, models that fail among good ones; and --check."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException
from trtserve.checking import check
from trtserve.models import Models
from trtserve.settings import Settings

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, plus, put
from tests.serve.test_models import PLANS, ask, post
from trtbuild.errors import RepositoryError, UsageError

CPU = CONFIG_16 + "instance_group [{ kind: KIND_CPU }]"


@pytest.mark.parametrize("protocol", ["http", "grpc", "metrics"])
def test_a_port_in_use_is_named_with_its_option(
    start: Callable[..., Running], tmp_path: Path, protocol: str
) -> None:
    put(tmp_path, "m", identity(), CONFIG_16)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            start(tmp_path, **{f"{protocol}_port": port})
    assert caught.value.message == f"{protocol} port {port} of 127.0.0.1 is in use"
    assert caught.value.hint == f"choose another with --{protocol}-port"


def test_an_address_that_is_not_here(start: Callable[..., Running], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot listen for grpc on 192\.0\.2\.1:0") as caught:
        start(tmp_path, hosts={"grpc": "192.0.2.1"})
    assert "--grpc-address" in caught.value.hint


def test_each_protocol_may_have_an_address_of_its_own() -> None:
    settings = Settings(repositories=(), host="a", hosts={"http": "b"})
    assert [settings.host_of(each) for each in ("http", "grpc", "metrics")] == ["b", "a", "b"]
    apart = Settings(repositories=(), hosts={"http": "b", "metrics": "c"})
    assert apart.host_of("metrics") == "c"


def test_a_model_that_fails_among_good_ones(start: Callable[..., Running], tmp_path: Path) -> None:
    put(tmp_path, "good", identity(), CONFIG_16)
    put(tmp_path, "bad", identity(), CONFIG_16.replace("FP32", "INT8"))
    put(tmp_path, "worse", b"", "max_batch_size: nonsense")
    with pytest.raises(RepositoryError, match="'bad'") as caught:
        start(tmp_path)
    assert "'worse'" in str(caught.value)
    assert "--exit-on-error=false" in caught.value.hint
    server = start(tmp_path, exit_on_error=False)
    assert ask(server, "good") == 0
    status, body = post(server, "/v2/repository/index")
    states = {row["name"]: row["state"] for row in json.loads(body)}
    assert (status, states) == (
        200, {"good": "READY", "bad": "UNAVAILABLE", "worse": "UNAVAILABLE"},
    )  # fmt: skip
    with grpc_client.InferenceServerClient(server.grpc) as client:
        assert not client.is_server_ready()
        with pytest.raises(InferenceServerException, match="has no available versions"):
            client.infer("bad", [])
    lax = start(tmp_path, exit_on_error=False, strict_readiness=False, grpc_port=-1)
    with http_client.InferenceServerClient(lax.http) as client:
        assert client.is_server_ready()


def test_one_broken_label_file_takes_nothing_else_with_it(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    labelled = CONFIG_16.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "labels"')
    put(tmp_path, "good", identity(), CONFIG_16)
    (put(tmp_path, "bad", identity(), labelled) / "labels").write_bytes(b"\xff\xfe")
    server = start(tmp_path, exit_on_error=False, grpc_port=-1)
    assert ask(server, "good") == 0
    _, body = post(server, "/v2/repository/index")
    (reason,) = [row["reason"] for row in json.loads(body) if row["name"] == "bad"]
    assert "failed to open label file" in reason


def test_an_empty_repository_is_served(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(tmp_path)
    assert f"nothing is served: there is no model in {tmp_path}" in caplog.text
    with http_client.InferenceServerClient(server.http) as client:
        assert client.is_server_ready()
        assert client.get_model_repository_index() == []
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        assert response.status == 200


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_a_repository_that_is_none(
    start: Callable[..., Running], tmp_path: Path, what: str
) -> None:
    (tmp_path / "a file").touch()
    says = "is no directory" if what == "a file" else "does not exist"
    with pytest.raises(RepositoryError, match=f"the model repository .*{what} {says}"):
        start(tmp_path / what)


def test_a_model_is_no_repository(start: Callable[..., Running], tmp_path: Path) -> None:
    model = put(tmp_path, "m", plus(1), CONFIG_16)
    with pytest.raises(RepositoryError, match="m is a model, not a model repository") as caught:
        start(model)
    assert caught.value.hint == f"give the folder it lies in: {tmp_path}"
    (tmp_path / "config.pbtxt").touch()  # Triton looks at folders only
    assert ask(start(tmp_path, grpc_port=-1), "m") == 1


def test_a_repository_given_twice_is_one(start: Callable[..., Running], tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    put(repository, "m", plus(1), CONFIG_16)
    (tmp_path / "link").symlink_to(repository)
    server = start(repository, tmp_path / "link", repository, grpc_port=-1)
    assert ask(server, "m") == 1


def test_a_name_in_two_repositories_is_neithers(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for repository in (first, second):
        put(repository, "both", plus(1), CONFIG_16)
    put(first, "one", plus(1), CONFIG_16)
    put(second, "two", plus(2), CONFIG_16)
    with pytest.raises(RepositoryError, match=r"'both'.* is not unique") as caught:
        start(first, second)
    assert f"{first} and {second}" in str(caught.value)
    server = start(first, second, exit_on_error=False, control="poll", poll_s=0.05, grpc_port=-1)
    assert (ask(server, "one"), ask(server, "two")) == (1, 2)
    assert post(server, "/v2/models/both/infer", {})[0] == 404


def test_a_repository_that_vanishes_is_served_on(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    put(repository, "m", plus(1), CONFIG_16)
    server = start(repository, control="explicit", load_models=("m",), grpc_port=-1)
    shutil.rmtree(repository)
    assert ask(server, "m") == 1
    _, index = post(server, "/v2/repository/index")
    assert [row["name"] for row in json.loads(index)] == ["m"]
    status, text = post(server, "/v2/repository/models/m/load")
    assert (status, "cannot look at the repositories" in text) == (500, True)
    assert ask(server, "m") == 1
    assert post(server, "/v2/repository/models/m/unload")[0] == 200


def checked(*repositories: Path, **settings: object) -> dict[str, str]:
    """What --check says of each model."""
    rows = check(Settings(repositories=repositories, **settings))  # type: ignore[arg-type]  # as **
    return {row.name: str(row) for row in rows}


def test_check_says_what_would_run_where_and_why(tmp_path: Path) -> None:
    put(tmp_path, "good", identity())
    put(tmp_path, "cpu", identity(), CPU)
    put(tmp_path, "broken", b"no model")
    put(tmp_path, "config", identity(), "max_batch_size: nonsense")
    cold = 'model_warmup { name: "s" batch_size: 1 inputs { key: "INPUT0" value {' \
        ' data_type: TYPE_FP32 dims: [16] input_data_file: "absent" } } }'  # fmt: skip
    put(tmp_path, "cold", identity(), CONFIG_16 + cold)
    put(tmp_path, "plans", identity(), PLANS)
    said = checked(tmp_path)
    assert list(said) == sorted(said)
    assert said["good"].startswith("ok: good version 1: onnxruntime on ")
    assert said["broken"].startswith("error: broken version 1: cannot load model.onnx")
    assert said["config"].startswith("error: config: failed to read text proto")
    assert said["cold"].startswith("error: cold version 1: warm-up sample 's': cannot read")
    assert "plans are for compute capability 8.6" in said["plans"]
    assert "as --device cpu says" in checked(tmp_path, device="cpu")["good"]
    refused = checked(tmp_path, fallback="none")["plans"]
    assert refused.startswith("error: plans version 1: ")
    assert "8.6" in refused


def test_check_looks_at_what_the_control_mode_would_load(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path, name, identity(), CONFIG_16)
    assert list(checked(tmp_path, control="explicit")) == ["a", "b"]
    assert list(checked(tmp_path, control="explicit", load_models=("b",))) == ["b"]
    put(tmp_path, "resnet18", identity(), CONFIG_16)
    absent = checked(tmp_path, control="explicit", load_models=("resnet", "c"))
    assert absent["c"].endswith("it is in no model repository")
    assert absent["resnet"].endswith("it is in no model repository; near it are: resnet18")


def test_a_version_that_fails_leaves_nothing_of_the_others(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """Python models: a process each, which nobody would end."""
    code = """
import os
import pathlib


class TritonPythonModel:
    def initialize(self, args):
        version = pathlib.Path(args["model_repository"]) / args["model_version"]
        (version / "pid").write_text(str(os.getpid()))
        if args["model_version"] == "2":
            raise ValueError("not this one")
"""
    for number in (1, 2):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
        (tmp_path / "m" / str(number) / "model.py").write_text(code)
    (tmp_path / "m" / "config.pbtxt").write_text(
        'backend: "python" version_policy { all {} }'
        ' input { name: "x" data_type: TYPE_FP32 dims: [1] }'
        ' output { name: "y" data_type: TYPE_FP32 dims: [1] }'
    )
    with pytest.raises(RepositoryError, match="not this one"):
        start(tmp_path)
    for number in (1, 2):
        process = int((tmp_path / "m" / str(number) / "pid").read_text())
        assert not Path(f"/proc/{process}").exists()


def test_models_say_nothing_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for repository in ("a", "b"):
        put(tmp_path / repository, "both", identity(), CONFIG_16)

    async def look() -> None:
        settings = Settings(repositories=(tmp_path / "a", tmp_path / "b"), control="explicit")
        models = Models(settings, asyncio.get_running_loop())
        for _ in range(3):
            await models.index()
            await models.poll()
        await models.close()

    asyncio.run(look())
    assert len([each for each in caplog.records if "not unique" in each.message]) == 1
