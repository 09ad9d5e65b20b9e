"""TLS over HTTP and gRPC, as curl, openssl and tritonclient see it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from geventhttpclient.response import HTTPConnectionClosed
from tritonclient.utils import InferenceServerException
from trtserve import tls
from trtserve.tls import TlsFiles, context, grpc_files, http_files

from tests.serve.clients.served import Served
from tests.serve.models import CONFIG_16, identity, put
from tests.serve.sockets.conftest import ANY
from trtbuild.errors import UsageError

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
pytestmark = needs_openssl
_INFER = {"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [1.5] * 16}]}


class Certificates:
    """A signer, a server's certificate by it and a client's, and a client's by somebody else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for signer in ("ca", "other"):
            self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "2", "-subj", f"/CN={signer}", "-keyout",
                      f"{signer}.key", "-out", f"{signer}.crt")  # fmt: skip
        for name, signer in (("server", "ca"), ("client", "ca"), ("stranger", "other")):
            self._signed(name, signer)

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def _signed(self, name: str, signer: str) -> None:
        (self._folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                  f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        self._run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.crt", "-CAkey",
                  f"{signer}.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out",
                  f"{name}.crt")  # fmt: skip

    def __getitem__(self, name: str) -> Path:
        return self._folder / name


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def serving(folder: Path, *options: str) -> Served:
    put(folder / "repository", "identity", identity(), CONFIG_16)
    put(folder / "repository", "any", identity(dims=["a", "b"]), ANY)
    return Served(folder / "repository", folder / "log", *options)


@pytest.fixture(scope="module")
def server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    cert, key = certificates["server.crt"], certificates["server.key"]
    server = serving(
        tmp_path_factory.mktemp("server"), f"--http-tls-cert={cert}", f"--http-tls-key={key}",
        "--grpc-use-ssl=true", f"--grpc-server-cert={cert}", f"--grpc-server-key={key}",
    )  # fmt: skip
    yield server
    assert server.stop() == 0
    text = server.log.read_text()
    assert "Traceback" not in text
    assert "SSL" not in text  # what clients do wrong is theirs


@pytest.fixture(scope="module")
def mutual(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    cert, key, roots = (certificates[name] for name in ("server.crt", "server.key", "ca.crt"))
    server = serving(
        tmp_path_factory.mktemp("mutual"), f"--http-tls-cert={cert}", f"--http-tls-key={key}",
        f"--http-tls-client-ca={roots}", "--grpc-use-ssl-mutual", "1",
        f"--grpc-server-cert={cert}", f"--grpc-server-key={key}", f"--grpc-root-cert={roots}",
    )  # fmt: skip
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def curl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--show-error", "--max-time", "30", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_curl
def test_curl(server: Served, certificates: Certificates) -> None:
    done = curl("--cacert", certificates["ca.crt"], "--data-binary", json.dumps(_INFER),
                "--write-out", " %{http_version} %{ssl_verify_result}",
                f"https://{server.http}/v2/models/identity/infer")  # fmt: skip
    answer, version, verified = done.stdout.rsplit(" ", 2)
    assert json.loads(answer)["outputs"][0]["data"] == [1.5] * 16
    assert (version, verified) == ("1.1", "0")


@needs_curl
def test_curl_with_large_bodies_both_ways(
    server: Served, certificates: Certificates, tmp_path: Path
) -> None:
    header = json.dumps({
        "inputs": [{"name": "INPUT0", "shape": [1000, 1000], "datatype": "FP32",
                    "parameters": {"binary_data_size": 4_000_000}}],
        "parameters": {"binary_data_output": True},
    }).encode()  # fmt: skip
    data = np.random.default_rng(0).random((1000, 1000), np.float32).tobytes()
    (tmp_path / "body").write_bytes(header + data)
    url, out = f"https://{server.http}/v2/models/any/infer", tmp_path / "out"
    done = curl("--cacert", certificates["ca.crt"], "--data-binary", f"@{tmp_path / 'body'}",
                "-H", f"Inference-Header-Content-Length: {len(header)}",
                *["-o", str(out), url] * 4)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_bytes().endswith(data)


@needs_curl
@pytest.mark.parametrize(
    "options", [["--tls-max", "1.1"], [], ["--cacert", "{other.crt}"]], ids=str
)
def test_curl_is_not_served(server: Served, certificates: Certificates, options: list[str]) -> None:
    """Old versions; nobody told it to trust this signer; it trusts another."""
    options = [certificates[each[1:-1]].as_posix() if "{" in each else each for each in options]
    assert curl(*options, f"https://{server.http}/v2").returncode in {35, 60}


@needs_curl
def test_clear_text_is_not_served(server: Served, certificates: Certificates) -> None:
    assert curl(f"http://{server.http}/v2").returncode != 0
    with (
        grpc_client.InferenceServerClient(server.grpc) as client,
        pytest.raises(InferenceServerException),
    ):
        client.is_server_live(client_timeout=2)
    assert curl("--cacert", certificates["ca.crt"], f"https://{server.http}/v2").returncode == 0
    assert curl(f"http://{server.metrics}/metrics").returncode == 0  # which has no TLS


def s_client(address: str, certificates: Certificates, *options: str, said: bytes = b"") -> str:
    command = ["openssl", "s_client", "-connect", address, "-CAfile", str(certificates["ca.crt"]),
               "-verify_return_error", "-ign_eof" if said else "-no_ign_eof", *options]  # fmt: skip
    done = subprocess.run(command, input=said, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def test_openssl(server: Served, certificates: Certificates) -> None:
    request = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for version in ("1_2", "1_3"):
        said = s_client(server.http, certificates, f"-tls{version}", "-alpn", "http/1.1",
                        said=request)  # fmt: skip
        assert "ALPN protocol: http/1.1" in said
        assert "Verify return code: 0 (ok)" in said
        assert f"TLSv{version.replace('_', '.')}" in said
        assert '"name":"trtserve"' in said
        said = s_client(server.grpc, certificates, f"-tls{version}", "-alpn", "h2,http/1.1")
        assert "ALPN protocol: h2" in said
    for address in (server.http, server.grpc):
        assert "Cipher is (NONE)" in s_client(address, certificates, "-tls1_1")
        for cipher in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"):
            assert "Cipher is (NONE)" in s_client(
                address, certificates, "-tls1_2", "-cipher", cipher
            )


def test_grpc_needs_its_protocol_agreed_on(server: Served, certificates: Certificates) -> None:
    """Who does not ask for h2 speaks something else (RFC 9113, section 3.2)."""
    trust = ssl.create_default_context(cafile=certificates["ca.crt"])
    for protocols in ([], ["http/1.1"]):
        trust.set_alpn_protocols(protocols)
        host, _, port = server.grpc.partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=20) as raw,
            trust.wrap_socket(raw, server_hostname="localhost") as connection,
            contextlib.suppress(ConnectionError, ssl.SSLEOFError),
        ):
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            while data := connection.recv(4096):
                assert not data, "it was served"


def http(server: Served, certificates: Certificates, client: str = "") -> Any:
    options = {"ca_certs": str(certificates["ca.crt"])}
    if client:
        options |= {"certfile": str(certificates[f"{client}.crt"]),
                    "keyfile": str(certificates[f"{client}.key"])}  # fmt: skip
    address = server.http.replace("127.0.0.1", "localhost")
    return http_client.InferenceServerClient(address, ssl=True, ssl_options=options)


def grpc(server: Served, certificates: Certificates, client: str = "") -> Any:
    options = {"root_certificates": str(certificates["ca.crt"])}
    if client:
        options |= {"certificate_chain": str(certificates[f"{client}.crt"]),
                    "private_key": str(certificates[f"{client}.key"])}  # fmt: skip
    address = server.grpc.replace("127.0.0.1", "localhost")
    return grpc_client.InferenceServerClient(address, ssl=True, **options)


CLIENTS = [(http_client, http), (grpc_client, grpc)]


def infer(module: Any, client: Any, shape: tuple[int, int], model: str) -> None:
    array = np.random.default_rng(0).random(shape, np.float32)
    given = module.InferInput("INPUT0", list(shape), "FP32")
    given.set_data_from_numpy(array)
    for _ in range(4):  # from the third on, a connection knows the request by its bytes
        assert (client.infer(model, [given]).as_numpy("OUTPUT0") == array).all()


@pytest.mark.parametrize(("module", "make"), CLIENTS, ids=["http", "grpc"])
def test_tritonclient(
    server: Served, certificates: Certificates, module: Any, make: Callable[..., Any]
) -> None:
    with make(server, certificates) as client:
        assert client.is_server_ready()
        for shape in ((1, 16), (64, 16)):
            infer(module, client, shape, "identity")
        for shape in ((100, 300), (1000, 700), (3000, 1000)):
            infer(module, client, shape, "any")
        with pytest.raises(InferenceServerException, match="unknown model"):
            client.get_model_metadata("nothing")


@pytest.mark.parametrize(("module", "make"), CLIENTS, ids=["http", "grpc"])
def test_clients_with_certificates(
    mutual: Served, certificates: Certificates, module: Any, make: Callable[..., Any]
) -> None:
    with make(mutual, certificates, "client") as client:
        infer(module, client, (1, 16), "identity")
    for name in ("", "stranger"):
        with (
            make(mutual, certificates, name) as client,
            pytest.raises((InferenceServerException, OSError, HTTPConnectionClosed)),
        ):
            client.is_server_live()
    with make(mutual, certificates, "client") as client:
        assert client.is_server_live()


@contextlib.contextmanager
def connected(server: Served, certificates: Certificates) -> Iterator[ssl.SSLSocket]:
    trust = ssl.create_default_context(cafile=certificates["ca.crt"])
    host, _, port = server.http.partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as raw,
        trust.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        yield connection


def received(connection: ssl.SSLSocket) -> bytes:
    data = b""
    while part := connection.recv(1 << 16):
        data += part
    return data


def test_a_refusal_amid_a_body_is_read(server: Served, certificates: Certificates) -> None:
    """The peer is still sending: closing at once would reset the connection, answer and all."""
    with connected(server, certificates) as connection:
        connection.sendall(b"POST /v2 HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for _ in range(40):
                connection.sendall(bytes(65_536))
        assert received(connection).startswith(b"HTTP/1.1 413")


def test_the_last_answer_is_whole(server: Served, certificates: Certificates) -> None:
    tensor: dict[str, Any] = {"name": "INPUT0", "shape": [700, 1000], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": 2_800_000}
    binary = {"binary_data_output": True}
    header = json.dumps({"inputs": [tensor], "parameters": binary}).encode()
    data = np.random.default_rng(0).random((700, 1000), np.float32).tobytes()
    with connected(server, certificates) as connection:
        connection.sendall(
            b"POST /v2/models/any/infer HTTP/1.1\r\nConnection: close\r\n"
            b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
            % (len(header), len(header) + len(data))
            + header
            + data
        )
        assert received(connection).endswith(data)


def test_who_does_not_shake_hands_is_dropped(
    certificates: Certificates, start: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.3)
    put(tmp_path, "identity", identity(), CONFIG_16)
    files = TlsFiles(certificates["server.crt"], certificates["server.key"])
    server = start(tmp_path, http_tls=files, grpc_tls=files)
    for protocol in ("http", "grpc"):
        address = ("127.0.0.1", server.server.ports[protocol])
        for said in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", bytes(70_000)):
            with (
                socket.create_connection(address, timeout=20) as connection,
                contextlib.suppress(ConnectionError),
            ):
                connection.sendall(said)
                while connection.recv(4096):
                    pass  # an alert, perhaps
    assert len(server.server.connections) == 0


def test_sigterm_ends_it_with_connections_open(certificates: Certificates, tmp_path: Path) -> None:
    cert, key = certificates["server.crt"], certificates["server.key"]
    server = serving(tmp_path, f"--http-tls-cert={cert}", f"--http-tls-key={key}")
    with connected(server, certificates) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert connection.recv(1000) == b""
    assert "Traceback" not in server.log.read_text()


# What is no certificate


def test_files_that_are_none(certificates: Certificates, tmp_path: Path) -> None:
    cert, key = certificates["server.crt"], certificates["server.key"]
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked],
                   check=True, capture_output=True)  # fmt: skip
    (tmp_path / "empty").touch()
    for files, says in (
        (TlsFiles(tmp_path / "none", key), "cannot read .*none: No such file"),
        (TlsFiles(tmp_path, key), "cannot read .*: Is a directory"),
        (TlsFiles(cert, tmp_path / "empty"), "are no certificate and its key"),
        (TlsFiles(key, cert), "are no certificate and its key"),
        (TlsFiles(cert, certificates["client.key"]), "are no certificate and its key"),
        (TlsFiles(cert, locked), "are no certificate and its key"),
        (TlsFiles(cert, key, key), "holds no certificates"),
    ):
        with pytest.raises(UsageError, match=says):
            context(files, "http")


def test_options_that_lack_something() -> None:
    file = Path("x")
    assert http_files(None, None, None) is None
    assert grpc_files(None, None, file, tls=False, mutual=False) is None
    assert grpc_files(file, file, file, tls=True, mutual=False) == TlsFiles(file, file)
    assert grpc_files(file, file, file, tls=False, mutual=True) == TlsFiles(file, file, file)
    for missing in ((None, file, None), (file, None, None), (None, None, file)):
        with pytest.raises(UsageError, match="TLS for HTTP lacks --http-tls"):
            http_files(*missing)
    for certificate, key, roots, tls_, mutual in (
        (file, file, None, False, False), (None, file, None, True, False),
        (file, None, None, True, False), (file, file, None, False, True),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            grpc_files(certificate, key, roots, tls=tls_, mutual=mutual)


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path, "identity", identity(), CONFIG_16)
    for options, says in (
        (["--http-tls-cert=none"], "lacks --http-tls-key"),
        (["--grpc-use-ssl", "true", "--grpc-server-cert=none", "--grpc-server-key=none"],
         "cannot read none"),
    ):  # fmt: skip
        command = [sys.executable, "-m", "trtbuild", "serve", str(tmp_path), *options]
        command += ["--http-port=-1", "--grpc-port=0", "--metrics-port=-1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
