"""The plugins that plans need: loaded into TensorRT's registry before a plan is deserialized.

TensorRT has one registry a process, so what `--plugins` gives is there for every model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trtbuild.errors import PlanError, RepositoryError
from trtbuild.plugin_registry import fill_registry, missing_creators
from trtbuild.plugins import PluginFile, UsedPlugin
from trtbuild.repository.lock import read_lock
from trtserve.plans import PlanRefused

_log = logging.getLogger("trtserve")


def load_plugins(trt: Any, logger: Any, given: Sequence[PluginFile], plan: Path) -> None:
    """Load `given` and TensorRT's own, and see that they have what `plan` was built with.

    That is known as far as its lock says. A file that was compiled anew has another digest and may
    be right all the same: it is taken with a warning. Raises `PlanRefused` for a plugin that does
    not load or is not there.
    """
    try:
        fill_registry(trt, logger, given)
    except PlanError as error:
        raise PlanRefused(f"{error.message} ({error.hint})" if error.hint else error.message) from (
            None
        )
    for used in _locked(plan):
        _check(trt, given, used, plan.name)


def _check(trt: Any, given: Sequence[PluginFile], used: UsedPlugin, plan: str) -> None:
    if missing := missing_creators(trt, used):
        raise PlanRefused(
            f"{plan} needs the plugin {', '.join(map(str, missing))}, which nothing registers "
            f"here: it was built with {used.file}; trtbuild serve --plugins {used.file} loads it"
        )
    if used.digest not in {file.digest for file in given}:
        others = ", ".join(f"{file.path} ({file.digest[:12]})" for file in given) or "none"
        _log.warning(
            "%s was built with the plugin %s (sha256 %s); --plugins gives: %s. It runs with what "
            "is here, whose numbers may be others",
            plan, used.file, used.digest[:12], others,
        )  # fmt: skip


def _locked(plan: Path) -> tuple[UsedPlugin, ...]:
    try:
        lock = read_lock(plan.parent)
    except RepositoryError:
        return ()  # `trtbuild repo validate` says what is wrong with it; the plan may be good
    plans = () if lock is None else lock.plans
    return next((locked.plugins for locked in plans if locked.file == plan.name), ())
