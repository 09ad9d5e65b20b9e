"""What Triton fills into a config before a backend sees it, and what it refuses, as a server does.

What that is stands in `trtbuild.modelconfig` (complete, refusals) and `trtbuild.repository`
(versions); here it is written into the config, said to the log, or raised.
"""

from __future__ import annotations

import logging
from typing import Any

from trtbuild.modelconfig.complete import Completed, complete, contradict, fill_defaults
from trtbuild.modelconfig.refusals import refusal
from trtbuild.repository.directory import Directory
from trtbuild.repository.versions import RESERVED, selected_versions, version_of_folder
from trtserve.errors import Kind, ServeError, invalid

_log = logging.getLogger("trtserve")


def complete_backend(config: Any, listed: Directory, name: str) -> None:
    """Fill in backend, platform, model file and the model's `name`. Raises `ServeError`."""
    config.name = config.name or name
    if config.name != name:
        raise invalid(
            f"unexpected directory name '{name}' for model '{config.name}', directory name must "
            "equal model name"
        )
    if config.platform == "ensemble":
        return
    first = _Named(listed.child(min(listed.folders))) if listed.folders else None
    completed = complete(config, first, name)
    _refuse_backend(name, completed)
    config.backend, config.platform, config.default_model_filename = completed[:3]


class _Named:
    """A version's folder with links that lead out, too: what opens such a file refuses it."""

    def __init__(self, listed: Directory) -> None:
        self.files = [*listed.files, *listed.links_out]
        self.folders = listed.folders


def _refuse_backend(name: str, completed: Completed) -> None:
    if not completed.backend and completed.platform:
        raise invalid(f"unexpected platform type '{completed.platform}' for {name}")
    if not completed.backend:
        raise invalid(
            f"unable to determine backend for model '{name}': name 'backend' or 'platform' in "
            "config.pbtxt, or give the model file its default name"
        )
    if contradict(completed.backend, completed.platform):
        raise invalid(
            f"unexpected platform/backend pair for {name}: '{completed.platform}' does not go "
            f"with backend '{completed.backend}'"
        )


def settle(config: Any) -> None:
    """Fill the defaults in and refuse what Triton refuses. Raises `ServeError`."""
    fill_defaults(config)
    if problem := refusal(config):
        raise invalid(problem)
    choice = config.WhichOneof("scheduling_choice")
    if choice not in (None, "dynamic_batching") or config.platform == "ensemble":
        raise ServeError(Kind.UNSUPPORTED, f"'{choice or 'ensemble'}' is not served")
    if problem := _ragged(config):
        raise ServeError(Kind.UNSUPPORTED, f"model '{config.name}': {problem}")


def _ragged(config: Any) -> str:
    """Why its batches cannot be made: inputs of several shapes joined into one tensor.

    A Python model gets its requests one by one in any case, so it may ask for such batches.
    """
    for field in ("batch_input", "batch_output"):
        if getattr(config, field):
            return f"'{field}' is not served; remove it and the model's inputs that need it"
    for tensor in config.input:
        if tensor.allow_ragged_batch and config.backend != "python":
            return (
                f"'allow_ragged_batch' of input '{tensor.name}' is served for Python models only; "
                "without it, requests of different shapes run in batches of their own"
            )
    return ""


def available_versions(config: Any, listed: Directory) -> tuple[int, ...]:
    """The versions in a model's directory that the version policy selects, ascending.

    Raises `ServeError` where that is none.
    """
    present = []
    for name in sorted(set(listed.folders) - RESERVED):
        version = version_of_folder(name)
        if version is None:
            _log.warning("ignoring '%s' of '%s': no version number", name, listed.path.name)
        else:
            present.append(version)
    for version in sorted(set(config.version_policy.specific.versions) - set(present)):
        _log.error("version %d of '%s' is specified but absent", version, config.name)
    versions = tuple(sorted(selected_versions(config, present)))
    if not versions:
        raise invalid(
            f"at least one version must be available under the version policy of model "
            f"'{config.name}'"
        )
    return versions
