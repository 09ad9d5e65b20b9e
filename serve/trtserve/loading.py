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
from trtbuild.errors import ForeignNameError, SourceError, TrtbuildError
from trtbuild.foreign import ANYWHERE, Fence, fence_of, read_inside
from trtbuild.modelconfig.read import read_config
from trtbuild.modelconfig.schema import new_config
from trtbuild.onnx_files import external_data, external_path
from trtbuild.protowire import WireError
from trtbuild.repository.as_locked import HINT, departures
from trtbuild.repository.directory import Directory
from trtbuild.repository.layout import CONFIG, PORTABLE
from trtbuild.repository.versions import version_of_folder
from trtserve import completion, placement, plans
from trtserve.backends.base import BACKENDS, Loaded, LoadRequest
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError, invalid
from trtserve.faults import FAULTS
from trtserve.repositories import LEADS_OUT
from trtserve.settings import Settings

_log = logging.getLogger("trtserve")
_MOST_LABEL_BYTES = 16 << 20
_USUAL = frozenset((PORTABLE, plans.DEFAULT_FILE, "model.py"))


class Candidate(NamedTuple):
    """A model as its directory describes it, before anything is loaded."""

    name: str
    directory: Path
    config: Any
    versions: tuple[int, ...]  # those that the version policy selects, ascending
    links: plans.Links


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
    # The directory of a client's files lies in no repository: there are no links in it.
    fence = ANYWHERE if settings.follow_links else fence_of(*settings.repositories, directory)
    listed = Directory(directory, fence)
    _refuse_links_out(listed)
    config = _config(directory, settings) if override is None else override
    named = _files(config if override is None else _own_config(directory, settings))
    completion.complete_backend(config, listed, name or directory.name)
    completion.settle(config)
    versions = completion.available_versions(config, listed)
    if settings.require_lock:
        _require_as_locked(directory, versions, fence, override)
    return Candidate(config.name, directory, config, versions, plans.Links(named, fence))


def _refuse_links_out(listed: Directory) -> None:
    """A config or a version behind one. Of other files those that are needed are refused later."""
    for name in listed.links_out:
        if name == CONFIG or version_of_folder(name) is not None:
            raise invalid(f"'{listed.path.name}/{name}' {LEADS_OUT}")


def _require_as_locked(
    directory: Path, versions: tuple[int, ...], fence: Fence, override: Any
) -> None:
    """`--require-lock`: nothing is read of a model before all of it was compared with its locks."""
    if override is not None:
        raise invalid(
            "a client's config or files are in no lock, and the server runs with --require-lock"
        )
    if problems := list(departures(directory, versions, fence)):
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise invalid(f"it is not as locked: {problems[0]}{more} ({HINT})")


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
    path = directory / CONFIG
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
    file = plans.within(folder, model.config.default_model_filename or PORTABLE, model.links)
    if not file.is_file():
        raise ServeError(Kind.UNAVAILABLE, f"unable to find '{file}' for model '{model.name}'")
    return _prepare_file(model, version, settings, backend, file)


def _prepare_plans(model: Candidate, version: int, settings: Settings) -> Prepared:
    """The plans for this machine's GPUs; the portable model where they cannot run."""
    folder, backend = model.directory / str(version), model.config.backend
    try:
        seats = placement.seats(model.config, _usable_gpus(backend, settings), settings.device)
        chosen = plans.choose(model.config, folder, seats, devices.gpus(), links=model.links)
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
    if backend == "onnxruntime":
        _check_external_data(file, model.links.fence)
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


def _check_external_data(file: Path, fence: Fence | None) -> None:
    """ONNX Runtime opens what the model names: nothing outside of the model's folder."""
    try:
        for location in external_data(file) if file.is_file() else ():
            external_path(file, location, fence)
    except SourceError as error:
        raise invalid(f"{error.message} ({error.hint})") from None
    except (WireError, ValueError):  # ValueError: an empty file
        return  # ONNX Runtime says what is wrong with it


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
        name = output.label_filename
        try:
            text = read_inside(model.directory, name, _MOST_LABEL_BYTES).decode()
        except ForeignNameError:
            raise ServeError(Kind.UNSUPPORTED, f"label file '{name}' lies outside") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ServeError(
                Kind.INTERNAL, f"failed to open label file '{name}': {error}"
            ) from None
        labels[output.name] = tuple(text.splitlines())
    return labels
