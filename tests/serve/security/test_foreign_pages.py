"""Pages of other sites make the browsers of a server's users send it what would change it.

Cross-site request forgery and DNS rebinding (CVE-2024-28224 of another model server). A browser
sends such a request as it would a form: no question is asked before, and nothing of the answer
matters. Each of the three headers that a page cannot choose is enough to refuse it.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trtserve.errors import ServeError
from trtserve.origins import Origins
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, put
from tests.serve.sockets.wire import answers, called, connect, exchange, framed, received

pytestmark = pytest.mark.usefixtures("no_traceback")
_CODE = 'open({!r}, "w")\nclass TritonPythonModel:\n  def execute(self, r): return []\n'
_CONFIG = {
    "backend": "python",
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
}
# What a server that allows code too is told by whom: headers, whether it does as it is told.
OWN: list[dict[str, str]] = [
    {},
    {"Host": "localhost"},
    {"Host": "LOCALHOST.:8000"},
    {"Host": "models.localhost:1"},
    {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"},
    {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
    {"Host": "192.0.2.7"},
    {"Host": socket.gethostname()},
    {"Host": "localhost", "Origin": "http://localhost", "Sec-Fetch-Site": "none"},
    {"Host": "models.example:8000"},
    {"Host": "models.example", "Origin": "https://models.example"},
    # A console on another site, and one in front of a proxy that gives the server its own name.
    {"Host": "localhost:8000", "Origin": "https://models.example", "Sec-Fetch-Site": "cross-site"},
]
FOREIGN: list[dict[str, str]] = [
    {"Host": "other.example"},
    {"Host": "other.example:8000", "Origin": "http://other.example:8000"},  # rebinding
    {"Host": "localhost.other.example"},
    {"Host": "127.0.0.1.other.example"},
    {"Host": "other"},
    {"Host": ""},
    {"Host": "models.example.other"},
    {"Host": "localhost:8000", "Origin": "http://other.example"},
    {"Host": "localhost:8000", "Origin": "http://localhost:3000"},  # another program's page
    {"Host": "localhost:8000", "Origin": "https://localhost:8001"},
    {"Host": "localhost", "Origin": "https://localhost:80"},
    {"Host": "localhost", "Origin": "null"},  # a sandboxed frame, a file, a redirect
    {"Host": "localhost", "Origin": "http://localhost@other.example"},
    {"Host": "localhost", "Origin": "http://[other"},
    {"Origin": "http://other.example"},
    {"Host": "localhost", "Sec-Fetch-Site": "cross-site"},
    {"Host": "localhost", "Sec-Fetch-Site": "same-site"},  # sites know no ports
    {"Host": "localhost", "Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
]


@pytest.fixture(scope="module")
def explicit(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16)
    return start(
        repository, control="explicit", load_models=("identity",), allow_overrides=True,
        allow_hosts=("models.example",),
    )  # fmt: skip


def request(path: str, body: Any, headers: dict[str, str], method: str = "POST") -> bytes:
    data = json.dumps(body).encode()
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = f"{method} {path} HTTP/1.1\r\n{''.join(lines)}Content-Type: text/plain\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_changes_nothing(
    explicit: Running, headers: dict[str, str], tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    code = base64.b64encode(_CODE.format(str(ran)).encode()).decode()
    parameters = {"config": json.dumps(_CONFIG), "file:1/model.py": code}
    for path, body, method in (
        ("/v2/repository/models/own/load", {"parameters": parameters}, "POST"),
        ("/v2/repository/models/identity/unload", {}, "POST"),
        ("/v2/logging", {"log_info": False}, "POST"),
        ("/v2/logging", {"log_info": False}, "GET"),
    ):
        (answer,) = exchange(explicit, request(path, body, headers, method))
        assert (answer.status, "would change the server" in answer.error) == (403, True)
    assert not ran.exists()
    assert explicit.server.models.version("identity")
    (log,) = exchange(explicit, request("/v2/logging", {}, {}))
    assert json.loads(log.body)["log_info"] is True


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_its_own_users_change_it(explicit: Running, headers: dict[str, str]) -> None:
    (answer,) = exchange(explicit, request("/v2/repository/models/identity/load", {}, headers))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_changes_nothing_is_answered_whoever_asks(
    explicit: Running, headers: dict[str, str]
) -> None:
    with connect(explicit) as connection:
        for path in ("/v2/health/ready", "/v2/models/identity"):
            head = f"GET {path} HTTP/1.1\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            connection.sendall(head.encode() + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in answers(received(connection))] == [200, 200]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 0),
        ({":authority": "other.example"}, 0),  # clients without a browser, behind any name
        ({":authority": "localhost:1", "origin": "http://localhost:1"}, 0),
        ({"origin": "https://models.example"}, 7),  # the authority is `a`
        ({":authority": "localhost", "origin": "https://models.example"}, 0),
        ({":authority": "localhost", "origin": "https://other.example"}, 7),
        ({":authority": "other.example", "origin": "https://other.example"}, 7),
        ({":authority": "localhost", "sec-fetch-site": "cross-site"}, 7),
    ],
)
def test_the_same_over_grpc(explicit: Running, headers: dict[str, str], code: int) -> None:
    for rpc, fields in (
        ("RepositoryModelLoad", {"model_name": "identity"}),
        ("LogSettings", {}),
    ):
        data = framed(message(f"{rpc}Request")(**fields).SerializeToString())
        path = f"/inference.GRPCInferenceService/{rpc}"
        found, text = called(explicit, data, (":path", path), *headers.items())
        assert (found, "would change the server" in text) == (code, bool(code))


def test_the_message_says_how_to_let_a_name_in() -> None:
    with pytest.raises(ServeError, match=r"start it with --allow-host models\.example"):
        Origins().refuse_foreign("Models.example:8000", None, None)
    with pytest.raises(ServeError, match=r"start it with --allow-host console\.example"):
        Origins().refuse_foreign("localhost", "https://console.example", None)
    Origins(["Models.example."]).refuse_foreign("models.example:8000", None, None)
    Origins(own=["my-host"]).refuse_foreign("my-host", None, None)
    with pytest.raises(ServeError):  # the server's own name is no site whose pages are let in
        Origins(own=["localhost"]).refuse_foreign("localhost", "http://localhost:3000", None)
