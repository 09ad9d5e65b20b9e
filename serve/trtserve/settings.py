"""What a user can set; tritonserver's names and defaults wherever it has the option."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from trtbuild.foreign import ANYWHERE, Fence, fence_of
from trtbuild.plugins import PluginFile
from trtserve.restrictions import Restriction
from trtserve.tls import TlsFiles


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One server's settings. Ports: 0 chooses a free one, -1 leaves the protocol out."""

    repositories: tuple[Path, ...]
    control: Literal["none", "poll", "explicit"] = "none"
    load_models: tuple[str, ...] = ()  # explicit mode: loaded at start; "*" is all
    poll_s: float = 15.0
    strict_config: bool = False  # no auto-complete
    strict_readiness: bool = True
    exit_on_error: bool = True  # a model that fails at start ends the server
    host: str = "127.0.0.1"
    hosts: dict[str, str] = {}  # where a protocol has another: "http", "grpc", "metrics"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002
    allow_hosts: tuple[str, ...] = ()  # names of this server, for what changes it: see `origins`
    allow_overrides: bool = False  # loads may bring code: see `overrides`
    http_restricted: dict[str, Restriction] = {}  # by category: see `restrictions`
    grpc_restricted: dict[str, Restriction] = {}
    http_tls: TlsFiles | None = None
    grpc_tls: TlsFiles | None = None
    device: str = "auto"  # auto, cpu, cuda:N
    fallback: Literal["auto", "onnx", "none"] = "auto"
    version_compatible: bool = False  # load plans with a runtime of their own, which is code
    gpu_fault: Literal["exit", "stay"] = "exit"  # when a kernel has faulted: see `faults`
    plugins: tuple[PluginFile, ...] = ()  # that TensorRT plans need
    max_input_bytes: int = 64 << 20  # of one request, decompressed
    max_held_bytes: int = 4 << 30  # of all requests and unsent answers together
    max_waiting: int = 65_536  # requests in one model's queue
    max_connections: int = 20_000  # less where the system grants fewer open files
    max_connections_per_peer: int | None = None  # None: half of all
    stall_timeout_s: float = 60.0  # for a client that stops amid a request
    exit_timeout_s: float = 30.0
    follow_links: bool = False  # also those that lead out of the repositories
    require_lock: bool = False  # serve what is to the last file as its lock says, nothing else
    load_threads: int = 4
    log_verbose: int = 0

    @property
    def fence(self) -> Fence:
        """Where links in the repositories may lead."""
        return ANYWHERE if self.follow_links else fence_of(*self.repositories)

    def host_of(self, protocol: str) -> str:
        """The address that a protocol is served on; metrics follow HTTP, as tritonserver's."""
        following = self.hosts.get("http", self.host) if protocol == "metrics" else self.host
        return self.hosts.get(protocol, following)
