"""A model's directory to loaded versions: which versions, which file, which device, and why.

Everything here may block; `models.py` calls it on helper threads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild import device as devices
from trtbuild import registry
from trtbuild.errors import TrtbuildError
from trtbuild.modelconfig.read import read_config
from trtbuild.modelconfig.schema import new_config
from trtbuild.repository.directory import below, lies_in
from trtbuild.repository.layout import PORTABLE
from trtserve import completion, placement, plans
from trtserve.backends.base import BACKENDS, Loaded, LoadRequest
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError, invalid
from trtserve.faults import FAULTS
from trtserve.settings import Settings

_log = logging.getLogger("trtserve")
_USUAL = frozenset((PORTABLE, plans.DEFAULT_FILE, "model.py"))


class Candidate(NamedTuple):
    """A model as its directory describes it, before anything is loaded."""

    name: str
    directory: Path
    config: Any
    versions: tuple[int, ...]  # those that the version policy selects, ascending
    named: frozenset[str]  # files that no client chose: links that bear these names are followed


class Prepared(NamedTuple):
    """A loaded version, ready to get its place in the server."""

    config: Any  # completed
    contract: Contract
    loaded: Loaded
    note: str  # why it runs otherwise than its config says; "" where it does not
    devices: tuple[str, ...]  # that its instances sit on: "cpu", "cuda:0"


def candidate(
    directory: Path, settings: Settings, override: Any = None, name: str | None = None
) -> Candidate:
    """Read a model's directory; `override`: a config in place of the file. Raises `ServeError`."""
    config = _config(directory, settings) if override is None else override
    named = _files(config if override is None else _own_config(directory, settings))
    completion.complete_backend(config, directory, name or directory.name)
    completion.settle(config)
    versions = completion.available_versions(config, directory)
    return Candidate(config.name, directory, config, versions, named)


def _files(config: Any) -> frozenset[str]:
    """The model files that a config names, and those that need not be named."""
    return _USUAL | {config.default_model_filename, *config.cc_model_filenames.values()}


def _own_config(directory: Path, settings: Settings) -> Any:
    """What the directory says of itself where a client brings a config of its own."""
    try:
        return _config(directory, settings)
    except ServeError:
        return new_config()


def _config(directory: Path, settings: Settings) -> Any:
    path = directory / "config.pbtxt"
    if not path.exists():
        if settings.strict_config:
            raise ServeError(Kind.INTERNAL, f"failed to open text file for read {path}")
        return new_config()
    try:
        return read_config(path).message
    except TrtbuildError as error:
        raise ServeError(Kind.INTERNAL, f"failed to read text proto from {path}: {error}") from None


def prepare(model: Candidate, version: int, settings: Settings) -> Prepared:
    """Load one version. Raises `ServeError`."""
    folder = model.directory / str(version)
    backend = model.config.backend
    if backend in plans.RUNTIMES:
        return _prepare_plans(model, version, settings)
    if backend not in BACKENDS:
        raise ServeError(
            Kind.INVALID_ARG,
            f"unable to find backend '{backend}' for model '{model.name}'; there are "
            f"{', '.join(BACKENDS)}",
        )
    file = plans.within(folder, model.config.default_model_filename or PORTABLE, model.named)
    if not file.is_file():
        raise ServeError(Kind.UNAVAILABLE, f"unable to find '{file}' for model '{model.name}'")
    return _prepare_file(model, version, settings, backend, file)


def _prepare_plans(model: Candidate, version: int, settings: Settings) -> Prepared:
    """The plans for this machine's GPUs; the portable model where they cannot run."""
    folder, backend = model.directory / str(version), model.config.backend
    try:
        seats = placement.seats(model.config, _usable_gpus(backend, settings), settings.device)
        chosen = plans.choose(model.config, folder, seats, devices.gpus(), named=model.named)
        chosen = chosen._replace(host_code=settings.version_compatible, plugins=settings.plugins)
        first = next(iter(chosen.files.values()))
        return _prepare_file(model, version, settings, backend, first, chosen=chosen)
    except plans.PlanRefused as refused:
        file, note = plans.fall_back(model.name, folder, settings.fallback, refused)
    return _prepare_file(model, version, settings, "onnxruntime", file, note=note)


def _prepare_file(
    model: Candidate, version: int, settings: Settings, backend: str, file: Path,
    *, chosen: plans.Chosen | None = None, note: str = "",
) -> Prepared:  # fmt: skip
    config = type(model.config)()
    config.CopyFrom(model.config)
    placed = placement.seats(config, _usable_gpus(backend, settings), settings.device)
    sits_on = placement.devices_of(placed)
    for device in sits_on:
        FAULTS.require(device)
    load = registry.load(BACKENDS[backend])
    loaded = load(
        LoadRequest(
            model.name, version, model.directory, file, config, not settings.strict_config,
            placed, chosen,
        )
    )  # fmt: skip
    if model.config.backend in plans.RUNTIMES:  # the one place that gRPC's messages have for it
        config.parameters["trtserve_runs_on"].string_value = loaded.runs_on
    if note:
        config.parameters["trtserve_note"].string_value = note
    completion.settle(config)
    _require_tensors(config)
    placement.name_instances(config, placed)
    contract = Contract(model.name, config, _labels(model, config))
    return Prepared(config, contract, loaded, note, sits_on)


def _require_tensors(config: Any) -> None:
    if not config.input or not config.output:
        kind = "input" if not config.input else "output"
        raise invalid(f"model '{config.name}' must specify {kind} configuration")


def _usable_gpus(backend: str, settings: Settings) -> tuple[int, ...]:
    """The GPUs that a backend's instances can be put on."""
    if settings.device == placement.CPU:
        return ()
    gpus = tuple(gpu.index for gpu in devices.gpus().gpus)
    if gpus and backend == "onnxruntime":
        from trtserve.backends.onnxruntime.backend import available_devices

        return gpus if "cuda" in available_devices() else ()
    return gpus


def _labels(model: Candidate, config: Any) -> Mapping[str, tuple[str, ...]]:
    labels = {}
    for output in config.output:
        if not output.label_filename:
            continue
        path = below(model.directory, output.label_filename)
        if not lies_in(path, model.directory):
            raise ServeError(Kind.UNSUPPORTED, f"label file '{output.label_filename}' lies outside")
        try:
            labels[output.name] = tuple(path.read_text("utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise ServeError(
                Kind.INTERNAL, f"failed to open label file '{path}': {error}"
            ) from None
    return labels
