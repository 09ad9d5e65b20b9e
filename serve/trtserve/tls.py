"""TLS for HTTP and gRPC: the files that a user names, as what the sockets need.

Options and meaning of gRPC's are tritonserver's (`--grpc-use-ssl` and its certificates); it serves
HTTP without TLS. Versions 1.2 and later; of 1.2 the ciphers that HTTP/2 allows (RFC 9113, 9.2.2).
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

import msgspec

from trtbuild.errors import UsageError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_ALPN = {"http": ["http/1.1"], "grpc": ["h2"]}
HANDSHAKE_S = 10.0  # for a client to have shaken hands: until then it is no connection of ours


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files: the server's certificate with its chain, its key, whose clients are let in."""

    certificate: Path
    key: Path
    client_roots: Path | None = None  # clients must have a certificate that one of these signed


def http_files(
    certificate: Path | None, key: Path | None, client_roots: Path | None
) -> TlsFiles | None:
    """What `--http-tls-...` say; None: no TLS. Raises `UsageError` where one is missing."""
    if certificate is None and key is None and client_roots is None:
        return None
    if certificate is None or key is None:
        missing = "--http-tls-cert" if certificate is None else "--http-tls-key"
        raise UsageError(f"TLS for HTTP lacks {missing}", "give the certificate and its key")
    return TlsFiles(certificate, key, client_roots)


def grpc_files(
    certificate: Path | None, key: Path | None, roots: Path | None, *, tls: bool, mutual: bool
) -> TlsFiles | None:
    """What `--grpc-use-ssl` and its files say; None: no TLS. Raises `UsageError`.

    Where tritonserver ignores files without `--grpc-use-ssl`, it serves what was to be encrypted in
    clear text: here that is an error. It ignores roots without `--grpc-use-ssl-mutual`, as here.
    """
    if not (tls or mutual):
        if certificate is not None or key is not None:
            raise UsageError(
                "gRPC has a certificate or a key, and is to be served without TLS",
                "add --grpc-use-ssl=true, or leave them out",
            )
        return None
    if certificate is None or key is None:
        missing = "--grpc-server-cert" if certificate is None else "--grpc-server-key"
        raise UsageError(f"--grpc-use-ssl lacks {missing}", "give the certificate and its key")
    if mutual and roots is None:
        raise UsageError(
            "--grpc-use-ssl-mutual lacks --grpc-root-cert",
            "give the certificates of those who sign clients' certificates",
        )
    return TlsFiles(certificate, key, roots if mutual else None)


def context(files: TlsFiles, protocol: Literal["http", "grpc"]) -> ssl.SSLContext:
    """How to shake hands on `protocol`. Raises `UsageError` for files that are no such thing."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(_CIPHERS)
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_alpn_protocols(_ALPN[protocol])
    for file in (files.certificate, files.key, files.client_roots):
        if file is not None:
            _require(file)
    try:
        made.load_cert_chain(files.certificate, files.key, password=_none)
    except ssl.SSLError as error:
        raise UsageError(
            f"{files.certificate} and {files.key} are no certificate and its key: "
            f"{error.reason or error}",
            "give the certificate (its chain behind it) and its unencrypted key as PEM files",
        ) from None
    if files.client_roots is not None:
        _require_certificate(made, files.client_roots)
    return made


def _none() -> str:
    """The passphrase of a key: without this, OpenSSL would ask the terminal for one."""
    return ""


def _require_certificate(made: ssl.SSLContext, roots: Path) -> None:
    made.verify_mode = ssl.CERT_REQUIRED
    try:
        made.load_verify_locations(roots)
    except ssl.SSLError as error:
        raise UsageError(
            f"{roots} holds no certificates: {error.reason or error}",
            "give the certificates of those who sign clients' certificates as a PEM file",
        ) from None


def _require(file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}", "it is needed for TLS, as a PEM file"
        ) from None
