"""`trtbuild serve`: parse, run the server, return its exit code. tritonserver's spellings work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trtbuild.cli import say
from trtbuild.errors import MissingPackageError, UsageError
from trtbuild.plugin_files import plugins_from_paths

_MODELS, _NETWORK, _ACCESS = "Models", "Network", "Who may ask what"
_TLS, _DEVICE, _RUN = "TLS", "Device", "This run"
_Switch = Literal["true", "false"]


def _option(panel: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, rich_help_panel=panel, **more)


def _port(text: str) -> Any:
    return _option(_NETWORK, min=-1, max=65535, help=text)


def command(  # noqa: PLR0917 - Typer makes options of parameters
    repositories: Annotated[
        list[Path] | None, typer.Argument(help="Model repositories.", metavar="REPO...")
    ] = None,
    model_repository: Annotated[
        list[Path] | None,
        _option(_MODELS, "--model-repository", "--model-store", help="The same, as an option."),
    ] = None,
    model_control_mode: Annotated[
        Literal["none", "poll", "explicit"],
        _option(_MODELS, help="Load all at start; follow changes; or load what is asked for."),
    ] = "none",
    load_model: Annotated[
        list[str] | None,
        _option(_MODELS, help="A model to load at start in explicit mode; '*': all."),
    ] = None,
    repository_poll_secs: Annotated[
        float, _option(_MODELS, min=0.1, help="How often poll mode looks.")
    ] = 15.0,
    strict_config: Annotated[
        bool,
        _option(
            _MODELS, "--strict-config", "--disable-auto-complete-config",
            help="Take configs as they are; fill nothing in from the model file.",
        ),
    ] = False,
    follow_links: Annotated[
        bool,
        _option(
            _MODELS, "--follow-links",
            help="Follow links that lead out of the repositories, too: whoever can write there "
            "decides which files of this machine are served.",
        ),
    ] = False,
    require_lock: Annotated[
        bool,
        _option(
            _MODELS, "--require-lock",
            help="Serve only what is, to the last file, as its trtbuild.lock.json says.",
        ),
    ] = False,
    model_load_thread_count: Annotated[
        int, _option(_MODELS, min=1, max=1024, help="How many versions load at a time.")
    ] = 4,
    strict_readiness: Annotated[
        _Switch, _option(_MODELS, help="Ready only when every model that should be served is.")
    ] = "true",
    exit_on_error: Annotated[
        _Switch, _option(_MODELS, help="End when a model fails to load at start.")
    ] = "true",
    host: Annotated[
        str,
        _option(
            _NETWORK, "--host", help="The address to listen on.",
        ),
    ] = "127.0.0.1",
    http_address: Annotated[
        str | None, _option(_NETWORK, help="Another one for HTTP, and for metrics.")
    ] = None,
    grpc_address: Annotated[str | None, _option(_NETWORK, help="Another one for gRPC.")] = None,
    metrics_address: Annotated[
        str | None, _option(_NETWORK, help="Another one for metrics.")
    ] = None,
    http_port: Annotated[int, _port("-1: no HTTP; 0: any free port.")] = 8000,
    grpc_port: Annotated[int, _port("-1: no gRPC; 0: any free port.")] = 8001,
    metrics_port: Annotated[int, _port("-1: no metrics; 0: any free port.")] = 8002,
    http_max_input_size: Annotated[
        int, _option(_NETWORK, min=1, help="The most bytes a request may have, over gRPC too.")
    ] = 64 << 20,
    max_held_bytes: Annotated[
        int, _option(_NETWORK, min=1, help="The most bytes of requests and unread answers at once.")
    ] = 4 << 30,
    max_connections_per_peer: Annotated[
        int | None,
        _option(
            _NETWORK, min=1, help="The most connections of one address at once; half of all that "
            "there may be, if not given.",
        ),
    ] = None,
    allow_model_overrides: Annotated[
        bool,
        _option(
            _ACCESS,
            help="Whoever can call load may send files that are code: Python models, TensorRT "
            "plans, libraries. Without it only ONNX models are taken.",
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        _option(
            _ACCESS, metavar="NAME",
            help="A name that clients know this server by, or a site whose pages may call it: for "
            "calls that change the server. Repeatable.",
        ),
    ] = None,
    http_restricted_api: Annotated[
        list[str] | None,
        _option(
            _ACCESS, metavar="API,...:HEADER=VALUE",
            help="HTTP requests of these APIs need the header: health, metadata, inference, "
            "shared-memory, model-config, model-repository, statistics, trace, logging. "
            "Repeatable.",
        ),
    ] = None,
    grpc_restricted_protocol: Annotated[
        list[str] | None,
        _option(
            _ACCESS, metavar="PROTOCOL,...:KEY=VALUE",
            help="The same for gRPC; the header is triton-grpc-protocol-KEY.",
        ),
    ] = None,
    http_tls_cert: Annotated[
        Path | None,
        _option(_TLS, metavar="FILE", help="HTTP with TLS: the certificate, its chain behind it."),
    ] = None,
    http_tls_key: Annotated[
        Path | None, _option(_TLS, metavar="FILE", help="That certificate's key, unencrypted.")
    ] = None,
    http_tls_client_ca: Annotated[
        Path | None,
        _option(_TLS, metavar="FILE", help="Clients need a certificate that one of these signed."),
    ] = None,
    grpc_use_ssl: Annotated[
        _Switch, _option(_TLS, help="gRPC with TLS.")
    ] = "false",
    grpc_use_ssl_mutual: Annotated[
        _Switch, _option(_TLS, help="gRPC with TLS, and with clients' certificates.")
    ] = "false",
    grpc_server_cert: Annotated[
        Path | None, _option(_TLS, metavar="FILE", help="The certificate, its chain behind it.")
    ] = None,
    grpc_server_key: Annotated[
        Path | None, _option(_TLS, metavar="FILE", help="That certificate's key, unencrypted.")
    ] = None,
    grpc_root_cert: Annotated[
        Path | None,
        _option(_TLS, metavar="FILE", help="Whose signature clients' certificates need."),
    ] = None,
    device: Annotated[
        str, _option(_DEVICE, help="auto, cpu or cuda:N.")
    ] = "auto",
    fallback: Annotated[
        Literal["auto", "onnx", "none"],
        _option(
            _DEVICE,
            help="Run model.onnx where no plan is for a GPU of this machine (auto), also where "
            "one is and does not run (onnx), or nowhere (none).",
        ),
    ] = "auto",
    version_compatible: Annotated[
        bool,
        _option(
            _DEVICE,
            help="Load version-compatible TensorRT plans, which bring a runtime of their own: a "
            "library inside the plan, whose code is run.",
        ),
    ] = False,
    gpu_fault: Annotated[
        Literal["exit", "stay"],
        _option(
            _DEVICE,
            help="A kernel that faults ends the use of its GPU by this process: end with 5, so "
            "that a supervisor starts it again, or go on without that GPU's models.",
        ),
    ] = "exit",
    plugins: Annotated[
        list[Path] | None,
        _option(
            _DEVICE,
            metavar="FILE",
            help="A library (.so) or Python file (.py) with the TensorRT plugins that plans need, "
            "whose code is run. Repeatable.",
        ),
    ] = None,
    exit_timeout_secs: Annotated[
        float, _option(_RUN, min=0, help="How long requests under way may take at the end.")
    ] = 30.0,
    log_verbose: Annotated[int, _option(_RUN, min=0, help="Above 0: log more.")] = 0,
    check: Annotated[
        bool, _option(_RUN, help="Only load, and say what would be served where, and why.")
    ] = False,
) -> None:  # fmt: skip
    """Run model repositories behind the protocol that Triton's clients speak."""
    paths = (*(repositories or ()), *(model_repository or ()))
    names = tuple(load_model or ())
    _refuse_contradictions(paths, device, names, model_control_mode)
    try:
        from trtserve import running, settings
        from trtserve.restrictions import restrictions_from_options
        from trtserve.tls import grpc_files, http_files
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error.name or "?", "serve", "trtbuild serve") from error
    addresses = {"http": http_address, "grpc": grpc_address, "metrics": metrics_address}
    chosen = settings.Settings(
        repositories=paths,
        control=model_control_mode,
        load_models=names,
        load_threads=model_load_thread_count,
        follow_links=follow_links,
        require_lock=require_lock,
        poll_s=repository_poll_secs,
        strict_config=strict_config,
        strict_readiness=strict_readiness == "true",
        exit_on_error=exit_on_error == "true",
        host=host,
        hosts={protocol: address for protocol, address in addresses.items() if address},
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        max_input_bytes=http_max_input_size,
        max_held_bytes=max_held_bytes,
        max_connections_per_peer=max_connections_per_peer,
        allow_overrides=allow_model_overrides,
        allow_hosts=_host_names(allow_host or ()),
        http_restricted=restrictions_from_options("http", http_restricted_api or ()),
        grpc_restricted=restrictions_from_options("grpc", grpc_restricted_protocol or ()),
        http_tls=http_files(http_tls_cert, http_tls_key, http_tls_client_ca),
        grpc_tls=grpc_files(
            grpc_server_cert,
            grpc_server_key,
            grpc_root_cert,
            tls=grpc_use_ssl == "true",
            mutual=grpc_use_ssl_mutual == "true",
        ),
        device=device,
        fallback=fallback,
        version_compatible=version_compatible,
        gpu_fault=gpu_fault,
        plugins=plugins_from_paths(plugins or ()),
        exit_timeout_s=exit_timeout_secs,
        log_verbose=log_verbose,
    )
    raise typer.Exit(_check(chosen) if check else running.run(chosen))


def _host_names(given: Sequence[str]) -> tuple[str, ...]:
    for name in given:
        if not name or any(mark in name for mark in "/: *"):
            raise UsageError(
                f"--allow-host '{name}' is no host name", "give it alone: models.example.com"
            )
    return tuple(given)


def _refuse_contradictions(
    repositories: tuple[Path, ...], device: str, models: tuple[str, ...], control: str
) -> None:
    if not repositories:
        raise UsageError("no model repository is given", "trtbuild serve REPO")
    if device not in ("auto", "cpu") and not device.removeprefix("cuda:").isdecimal():
        raise UsageError(f"there is no device '{device}'", "give auto, cpu or cuda:N")
    if models and control != "explicit":
        raise UsageError(
            f"--load-model {models[0]} needs explicit control", "add --model-control-mode=explicit"
        )
    if "*" in models and len(models) > 1:
        raise UsageError("--load-model '*' is all models", "leave out the other --load-model")


def _check(chosen: Any) -> int:
    """Validate, then load; print both. Returns the exit code."""
    from trtserve.checking import check
    from trtserve.repositories import check_repositories

    from trtbuild.validate.finding import Severity
    from trtbuild.validate.formats import text
    from trtbuild.validate.run import validate
    from trtbuild.validate.settings import Settings

    check_repositories(chosen.repositories)
    rules = Settings(
        server="trtbuild",
        strict_config=chosen.strict_config,
        follow_links=chosen.follow_links,
        require_lock=chosen.require_lock,
    )
    report = validate(list(dict.fromkeys(chosen.repositories)), rules)
    say.document(text.render(report, color=text.in_color(sys.stdout)) + "\n")
    rows = check(chosen)
    for row in rows:
        say.lines(str(row))
    if not rows:
        say.line("there is no model in the repositories: nothing would be served")
    return 1 if report.fails(Severity.ERROR) or any(row.problem for row in rows) else 0
