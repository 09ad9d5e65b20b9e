"""tritonserver's options for `trtbuild serve`: those spelled otherwise, needless or not served.

Options of the same name and meaning are `serve.command`'s own. Source of the list: Triton 2.51,
server/src/command_line_parser.cc. An option that would change what is served is never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer.core

from trtbuild.errors import UsageError

_SWITCHES = {"true": "true", "1": "true", "false": "false", "0": "false"}
# Switches of `serve.command`: tritonserver takes 1 and 0 for true and false.
_OWN_SWITCHES = frozenset({
    "--exit-on-error", "--strict-readiness", "--grpc-use-ssl", "--grpc-use-ssl-mutual",
})  # fmt: skip
# Of --log-verbose: what tritonserver takes besides numbers.
_LEVELS = {"true": "1", "false": "0"}
# Switch -> what it is here, by its value.
RESPELLED: dict[str, dict[str, tuple[str, ...]]] = {
    "--strict-model-config": {"true": ("--strict-config",), "false": ()},
    "--allow-http": {"true": (), "false": ("--http-port=-1",)},
    "--allow-grpc": {"true": (), "false": ("--grpc-port=-1",)},
    "--allow-metrics": {"true": (), "false": ("--metrics-port=-1",)},
}
# They size pools and threads that are not here, or places that are not looked at.
NEEDLESS = frozenset({
    "--http-thread-count", "--grpc-infer-thread-count", "--grpc-infer-allocation-pool-size",
    "--grpc-max-response-pool-size", "--buffer-manager-thread-count",
    "--pinned-memory-pool-byte-size", "--cuda-memory-pool-byte-size",
    "--cuda-virtual-address-size", "--min-supported-compute-capability", "--backend-directory",
    "--repoagent-directory", "--cache-directory", "--model-load-gpu-limit", "--enable-peer-access",
    "--allow-gpu-metrics", "--allow-cpu-metrics", "--metrics-interval-ms",
    "--grpc-keepalive-time", "--grpc-keepalive-timeout",
    "--grpc-keepalive-permit-without-calls", "--grpc-http2-max-pings-without-data",
    "--grpc-http2-min-recv-ping-interval-without-data", "--grpc-http2-max-ping-strikes",
})  # fmt: skip
_LATER = "set it while the server runs, with POST /v2/logging"
_V2 = "only KServe v2 is served"
_PROXY = "put a proxy in front of the server that does it"
# Option -> the value that says what happens anyway ("": none does), and what to do instead.
UNSERVED: dict[str, tuple[str, str]] = {
    "--log-info": ("true", _LATER),
    "--log-warning": ("true", _LATER),
    "--log-error": ("true", _LATER),
    "--log-format": ("default", _LATER),
    "--log-file": ("", "redirect the log: 2> FILE"),
    "--id": ("trtserve", "the server's name is trtserve"),
    "--model-config-name": ("", "name the config config.pbtxt"),
    "--model-namespacing": ("false", "give each model a name of its own"),
    "--model-load-retry-count": ("0", "load it again when it has failed"),
    "--backend-config": ("", "state it in each model's config.pbtxt, most under 'parameters'"),
    "--host-policy": ("", "start the server under numactl or taskset"),
    "--rate-limit": ("off", "limit instances with 'instance_group' in config.pbtxt"),
    "--rate-limit-resource": ("", "limit instances with 'instance_group' in config.pbtxt"),
    "--cache-config": ("", "answers are not cached"),
    "--response-cache-byte-size": ("0", "answers are not cached"),
    "--metrics-config": ("", "latency histograms are always among the metrics"),
    "--trace-config": ("", "requests are not traced"),
    "--trace-file": ("", "requests are not traced"),
    "--trace-level": ("OFF", "requests are not traced"),
    "--trace-rate": ("", "requests are not traced"),
    "--trace-count": ("", "requests are not traced"),
    "--trace-log-frequency": ("", "requests are not traced"),
    "--reuse-http-port": ("false", "give each server a port of its own"),
    "--reuse-grpc-port": ("false", "give each server a port of its own"),
    "--http-header-forward-pattern": ("", "send what a model needs as request parameters"),
    "--grpc-header-forward-pattern": ("", "send what a model needs as request parameters"),
    "--grpc-infer-response-compression-level": ("none", "answers are packed as the client asks"),
    "--grpc-max-connection-age": ("", _PROXY),
    "--grpc-max-connection-age-grace": ("", _PROXY),
    "--allow-sagemaker": ("false", _V2),
    "--sagemaker-port": ("", _V2),
    "--sagemaker-safe-port-range": ("", _V2),
    "--sagemaker-thread-count": ("", _V2),
    "--allow-vertex-ai": ("false", _V2),
    "--vertex-ai-port": ("", _V2),
    "--vertex-ai-thread-count": ("", _V2),
    "--vertex-ai-default-model": ("", _V2),
}


# Its shared memory has no name and grows as needed: these size and name Triton's.
_NEEDLESS_OF_BACKENDS = ("python,shm-",)


class ServeCommand(typer.core.TyperCommand):
    """A command whose options may be spelled as tritonserver's."""

    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def]  # Typer's own types are private
        """Parse what `translated` makes of `args`."""
        return super().parse_args(ctx, list(translated(args)))


def translated(args: Sequence[str]) -> Iterator[str]:
    """What tritonserver is given as `trtbuild serve` takes it; its own options stay as they are.

    Raises `UsageError` for an option that would change what is served and is not here.
    """
    waiting = iter(args)
    for arg in waiting:
        name, stated, value = arg.partition("=")
        if name == "--":
            yield arg
            yield from waiting
        elif name in NEEDLESS:
            _ = stated or next(waiting, "")
        elif name in _OWN_SWITCHES:
            yield f"{name}={_switch(name, value if stated else next(waiting, ''))}"
        elif name == "--model-control-mode":
            yield f"{name}={(value if stated else next(waiting, '')).lower()}"
        elif name == "--log-verbose":
            level = value if stated else next(waiting, "")
            yield f"{name}={_LEVELS.get(level.lower(), level)}"
        elif name in RESPELLED:
            yield from RESPELLED[name][_switch(name, value if stated else next(waiting, ""))]
        elif name == "--backend-config":
            yield from _backend_config(value if stated else next(waiting, ""))
        elif name in UNSERVED:
            _refuse_unless_usual(name, value if stated else next(waiting, ""))
        else:
            yield arg


def _switch(name: str, value: str) -> str:
    if value.lower() not in _SWITCHES:
        raise UsageError(f"{name} is '{value}'", "give true or false")
    return _SWITCHES[value.lower()]


def _backend_config(value: str) -> Iterator[str]:
    """What `--backend-config=BACKEND,NAME=VALUE` is here."""
    option, _, switch = value.partition("=")
    if option == "tensorrt,version-compatible":
        if _switch("--backend-config tensorrt,version-compatible", switch) == "true":
            yield "--version-compatible"
    elif not value.startswith(_NEEDLESS_OF_BACKENDS):
        _refuse_unless_usual("--backend-config", value)


def _refuse_unless_usual(name: str, value: str) -> None:
    usual, instead = UNSERVED[name]
    given = _SWITCHES.get(value.lower(), value) if usual in _SWITCHES else value
    given = given.lower() if name == "--rate-limit" else given
    if not usual or given != usual:
        raise UsageError(f"trtbuild serve has no {name}: '{value}' cannot be served", instead)
