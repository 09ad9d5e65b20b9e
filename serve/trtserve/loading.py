"""A model's directory to loaded versions: which versions, which file, which device, and why.

Everything here may block; `models.py` calls it on helper threads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild import device as devices
from trtbuild import registry
from trtbuild.errors import TrtbuildError
from trtbuild.modelconfig.read import read_config
from trtbuild.modelconfig.schema import new_config
from trtserve import completion
from trtserve.backends.base import BACKENDS, Loaded, LoadRequest
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError, invalid
from trtserve.settings import Settings

_log = logging.getLogger("trtserve")
# Folders of a model's directory that are no versions (core/src/constants.h).
_NO_VERSIONS = frozenset(("warmup", "initial_state", "configs"))
_PLANS = frozenset(("tensorrt", "tensorrt_rtx"))


class Candidate(NamedTuple):
    """A model as its directory describes it, before anything is loaded."""

    name: str
    directory: Path
    config: Any
    versions: tuple[int, ...]  # those that the version policy selects, ascending


class Prepared(NamedTuple):
    """A loaded version, ready to get its place in the server."""

    config: Any  # completed
    contract: Contract
    loaded: Loaded
    note: str  # why it runs otherwise than its config says; "" where it does not


def candidate(
    directory: Path, settings: Settings, override: Any = None, name: str | None = None
) -> Candidate:
    """Read a model's directory; `override`: a config in place of the file. Raises `ServeError`."""
    config = _config(directory, settings) if override is None else override
    if name is not None:
        config.name = config.name or name
    completion.complete_backend(config, directory if name is None else directory.parent / name)
    completion.normalize(config)
    completion.validate(config)
    versions = select_versions(config, numbered(directory))
    if not versions:
        raise invalid(
            f"at least one version must be available under the version policy of model "
            f"'{config.name}'"
        )
    return Candidate(config.name, directory, config, versions)


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


def numbered(directory: Path) -> tuple[int, ...]:
    """The version folders of a model's directory, ascending."""
    found = []
    for path in directory.iterdir():
        if path.name in _NO_VERSIONS or not path.is_dir():
            continue
        text = path.name
        if text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0"):
            if len(text) < 19:
                found.append(int(text))
        else:
            _log.warning("ignoring '%s' of '%s': no version number", text, directory.name)
    return tuple(sorted(found))


def select_versions(config: Any, present: Sequence[int]) -> tuple[int, ...]:
    """Those of the versions present that the config's version policy asks for."""
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return tuple(present)
    if choice == "specific":
        for version in set(policy.specific.versions) - set(present):
            _log.error("version %d of '%s' is specified but absent", version, config.name)
        return tuple(version for version in present if version in policy.specific.versions)
    count = policy.latest.num_versions
    return tuple(present[len(present) - count :] if count < len(present) else present)


def prepare(model: Candidate, version: int, settings: Settings) -> Prepared:
    """Load one version. Raises `ServeError`."""
    config = type(model.config)()
    config.CopyFrom(model.config)
    folder = model.directory / str(version)
    file, note = _file(config, folder, settings)
    backend = "onnxruntime" if note else config.backend
    if backend not in BACKENDS:
        raise ServeError(
            Kind.INVALID_ARG,
            f"unable to find backend '{backend}' for model '{model.name}'; there are "
            f"{', '.join(BACKENDS)}",
        )
    if not file.is_file():
        raise ServeError(Kind.UNAVAILABLE, f"unable to find '{file}' for model '{model.name}'")
    device = _device(config, settings)
    load = registry.load(BACKENDS[backend])
    request = LoadRequest(
        model.name, version, model.directory, file, config, not settings.strict_config, device
    )
    loaded = load(request)
    if note:
        config.parameters["trtserve_note"].string_value = note
    completion.normalize(config)
    completion.validate(config)
    _require_tensors(config)
    completion.name_instances(config, gpu=None if device == "cpu" else int(device[5:]))
    contract = Contract(model.name, config, _labels(model, config))
    return Prepared(config, contract, loaded, note)


def _require_tensors(config: Any) -> None:
    if not config.input or not config.output:
        kind = "input" if not config.input else "output"
        raise invalid(f"model '{config.name}' must specify {kind} configuration")


def _file(config: Any, folder: Path, settings: Settings) -> tuple[Path, str]:
    """The model file, and why it is the portable one where the config names plans."""
    if config.backend not in _PLANS:
        return _within(folder, config.default_model_filename or "model.onnx"), ""
    why = _plan_mismatch(config)
    portable = folder / "model.onnx"
    if settings.fallback == "none":
        raise ServeError(Kind.UNAVAILABLE, f"model '{config.name}' cannot run here: {why}")
    if not portable.is_file():
        raise ServeError(
            Kind.UNAVAILABLE,
            f"model '{config.name}' cannot run here: {why}, and there is no {portable.name} "
            f"beside its plans to fall back on",
        )
    return portable, f"runs {portable.name} on ONNX Runtime: {why}"


def _plan_mismatch(config: Any) -> str:
    targets = sorted(config.cc_model_filenames)
    plans = (
        f"its plans are for compute capability {', '.join(targets)}"
        if targets
        else ("its plan names no compute capability")
    )
    found = devices.gpus()
    if not found.gpus:
        return f"{plans}; this machine has no GPU" + (
            f" that can be used ({found.problem})" if found.problem else ""
        )
    gpus = ", ".join(f"{gpu.name} ({gpu.capability})" for gpu in found.gpus)
    if not any(str(capability) in targets for capability in found.capabilities):
        return f"{plans}; this machine has {gpus}"
    return f"{plans}, which {gpus} would fit, but plans are not run by this version of trtserve"


def _within(folder: Path, name: str) -> Path:
    """A file of a version's folder. Raises `ServeError` where its name leads out of it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.parent.resolve()):
        raise invalid(f"'{name}' must stay within the model's directory")
    return path


def _device(config: Any, settings: Settings) -> str:
    if settings.device != "auto":
        return settings.device
    kinds = {group.kind for group in config.instance_group}
    if kinds == {2} or not devices.gpus().gpus:  # KIND_CPU only
        return "cpu"
    from trtserve.backends.onnxruntime import available_devices

    if "cuda" not in available_devices():
        return "cpu"
    indices = [index for group in config.instance_group for index in group.gpus]
    return f"cuda:{indices[0] if indices else 0}"


def _labels(model: Candidate, config: Any) -> Mapping[str, tuple[str, ...]]:
    labels = {}
    for output in config.output:
        if not output.label_filename:
            continue
        path = model.directory / output.label_filename
        if not path.resolve().is_relative_to(model.directory.resolve()):
            raise ServeError(Kind.UNSUPPORTED, f"label file '{output.label_filename}' lies outside")
        try:
            labels[output.name] = tuple(path.read_text().splitlines())
        except OSError as error:
            raise ServeError(
                Kind.INTERNAL, f"failed to open label file '{path}': {error.strerror}"
            ) from None
    return labels
