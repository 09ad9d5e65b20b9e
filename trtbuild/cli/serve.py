"""`trtbuild serve`: parse, run the server, return its exit code. tritonserver's spellings work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trtbuild.errors import MissingPackageError, UsageError

_MODELS, _NETWORK, _DEVICE, _RUN = "Models", "Network", "Device", "This run"
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
    exit_on_error: Annotated[
        _Switch, _option(_MODELS, help="End when a model fails to load at start.")
    ] = "true",
    host: Annotated[
        str,
        _option(
            _NETWORK, "--host", "--http-address", "--grpc-address", "--metrics-address",
            help="The address to listen on.",
        ),
    ] = "127.0.0.1",
    http_port: Annotated[int, _port("-1: no HTTP; 0: any free port.")] = 8000,
    grpc_port: Annotated[int, _port("-1: no gRPC; 0: any free port.")] = 8001,
    metrics_port: Annotated[int, _port("-1: no metrics; 0: any free port.")] = 8002,
    http_max_input_size: Annotated[
        int, _option(_NETWORK, min=1, help="The most bytes a request may have, over gRPC too.")
    ] = 64 << 20,
    device: Annotated[
        str, _option(_DEVICE, help="auto, cpu or cuda:N.")
    ] = "auto",
    fallback: Annotated[
        Literal["onnx", "none"],
        _option(_DEVICE, help="Where no plan fits this machine: run model.onnx, or refuse."),
    ] = "onnx",
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
    if not paths:
        raise UsageError("no model repository is given", "trtbuild serve REPO")
    if device not in ("auto", "cpu") and not device.removeprefix("cuda:").isdecimal():
        raise UsageError(f"there is no device '{device}'", "give auto, cpu or cuda:N")
    try:
        from trtserve import checking, server, settings
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error.name or "?", "serve", "trtbuild serve") from error
    chosen = settings.Settings(
        repositories=paths,
        control=model_control_mode,
        load_models=tuple(load_model or ()),
        poll_s=repository_poll_secs,
        strict_config=strict_config,
        exit_on_error=exit_on_error == "true",
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        max_input_bytes=http_max_input_size,
        device=device,
        fallback=fallback,
        exit_timeout_s=exit_timeout_secs,
        log_verbose=log_verbose,
    )
    if not check:
        raise typer.Exit(server.run(chosen))
    rows = checking.check(chosen)
    for row in rows:
        typer.echo(str(row))
    raise typer.Exit(1 if any(row.problem for row in rows) else 0)
