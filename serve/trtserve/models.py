"""The models of a server: what is loaded, what was asked for, and how one follows the other."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from trtserve.errors import Kind, ServeError, invalid
from trtserve.loader import Loader
from trtserve.model import Model
from trtserve.overrides import Override
from trtserve.repositories import fingerprint_of, model_directories
from trtserve.settings import Settings
from trtserve.version import Version

_log = logging.getLogger("trtserve")


class Failure(NamedTuple):
    """A model that could not be loaded."""

    name: str
    versions: tuple[int, ...]  # those that were to be loaded; empty where it did not come so far
    reason: str


class Models:
    """All models. Methods run on the event loop; what blocks goes to helper threads."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loader = Loader(settings, loop)
        self._models: dict[str, Model] = {}
        self._problems: dict[str, str] = {}  # names that are nobody's
        self._closing = False
        self.generation = 0  # grows whenever a name may mean another version than before

    # Look-up

    def version(self, name: str, number: str = "") -> Version:
        """The version that a request means; "" is the highest. Raises `ServeError`."""
        model = self._models.get(name)
        if model is None:
            raise _unknown(f"'{name}' is not found")
        if model.lost:
            raise ServeError(Kind.UNAVAILABLE, f"model '{name}' is unavailable: {model.lost}")
        if not number:
            if not model.versions:
                raise _unknown(f"'{name}' has no available versions")
            return model.versions[max(model.versions)]
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise invalid(f"failed to get model version from specified version string '{number}'")
        version = model.versions.get(int(number))
        if version is None:
            raise _unknown(f"'{name}' version {number} is not found")
        return version

    def versions(self, name: str) -> list[Version]:
        """All loaded versions of a model, ascending. Raises `ServeError`."""
        self.version(name)
        versions = self._models[name].versions
        return [versions[number] for number in sorted(versions)]

    def loaded(self) -> list[Version]:
        """Every loaded version."""
        return [
            model.versions[number]
            for _, model in sorted(self._models.items())
            for number in sorted(model.versions)
        ]

    @property
    def is_empty(self) -> bool:
        """No model was found or asked for yet."""
        return not self._models and not self._problems

    @property
    def all_ready(self) -> bool:
        """Every model that should be served is, where readiness is strict."""
        return not self._settings.strict_readiness or all(
            model.as_asked for model in self._models.values()
        )

    async def index(self) -> list[dict[str, str]]:
        """The repository index: what is loaded, and what lies in the repositories."""
        lying: Mapping[str, Path] = {}
        try:
            lying = await self._loader.look(self._directories)
        except OSError as error:  # what is loaded is there all the same
            _log.error("cannot look at the repositories: %s", error)
        rows = [row for _, model in sorted(self._models.items()) for row in model.index()]
        known = {row["name"] for row in rows}
        return rows + [{"name": name} for name in sorted(lying) if name not in known]

    # Loading

    def _directories(self) -> dict[str, Path]:
        """Raises `OSError` where a repository has vanished."""
        listing = model_directories(self._settings.repositories, self._settings.fence)
        for name, problem in listing.problems.items():
            if self._problems.get(name) != problem:
                _log.error("model '%s' %s", name, problem)
        self._problems = listing.problems
        return listing.directories

    async def _lying(self, name: str) -> Mapping[str, Path]:
        """The directories of all models, to find that of `name`. Raises `ServeError`."""
        try:
            return await self._loader.look(self._directories)
        except OSError as error:
            raise ServeError(
                Kind.INTERNAL, f"cannot look at the repositories for '{name}': {error}"
            ) from None

    def _model(self, name: str) -> Model:
        if self._closing:
            raise ServeError(Kind.UNAVAILABLE, "the server is shutting down")
        if name not in self._models:
            self._models[name] = Model(name, self._loader, self._has_changed)
        return self._models[name]

    def _has_changed(self) -> None:
        self.generation += 1

    async def start(self) -> list[Failure]:
        """Load what the control mode loads at start. Returns what failed."""
        directories = await self._loader.look(self._directories)
        asked: list[str] = [*directories, *self._problems]
        if self._settings.control == "explicit" and self._settings.load_models != ("*",):
            asked = list(dict.fromkeys(self._settings.load_models))
        failures = await asyncio.gather(*map(self._try, asked))
        return [failure for failure in failures if failure is not None]

    async def _try(self, name: str) -> Failure | None:
        try:
            await self.load(name)
        except ServeError as error:
            model = self._models.get(name)
            if model is None:
                return Failure(name, (), str(error))
            return Failure(name, model.failed_versions, model.reason)
        return None

    async def load(
        self, name: str, config: Any = None, files: Mapping[PurePosixPath, bytes] | None = None
    ) -> None:
        """Load or reload a model. Raises `ServeError`, and then everything is as it was.

        `config` stands in for the directory's config.pbtxt, `files` for the whole directory.
        """
        if files:
            override = await self._loader.in_thread(
                Override, name, files, self._settings.allow_overrides
            )
            await self._model(name).load(override, config)
            return
        lying = await self._lying(name)
        if name not in lying:
            near = ", ".join(difflib.get_close_matches(name, lying))
            absent = "is in no model repository" + (f"; near it are: {near}" if near else "")
            why = self._problems.get(name, absent)
            raise ServeError(
                Kind.INTERNAL,
                f"failed to load '{name}', failed to poll from model repository: it {why}",
            )
        await self._model(name).load(lying[name], config)

    async def unload(self, name: str) -> None:
        """Take a model out of service; what it had accepted is still answered."""
        if name in self._models:
            await self._models[name].unload()
        elif name in await self._lying(name):
            raise invalid(f"model '{name}' is not loaded")
        else:
            raise _unknown(f"'{name}' is not found")

    async def lose(self, device: str, reason: str) -> None:
        """Take the models of a GPU that has faulted out of service."""
        await asyncio.gather(*(each.lose(device, reason) for each in self._models.values()))

    async def poll(self) -> None:
        """Follow what has changed in the repositories since the last look.

        Raises `OSError` where one of them has vanished; everything is served on then.
        """
        directories = await self._loader.look(self._directories)
        for name, directory in directories.items():
            seen = self._models[name].seen if name in self._models else None
            # The same broken state is not tried at every look.
            fence = self._loader.fence
            if seen is None or seen != await self._loader.look(fingerprint_of, directory, fence):
                with contextlib.suppress(ServeError):  # it is in the log and in the index
                    await self._model(name).load(directory)
        for name in set(self._models) - set(directories):
            if self._models[name].versions or not self._models[name].as_asked:
                await self._models[name].unload()

    async def close(self) -> None:
        """Retire everything, and wait until all is answered and freed."""
        self._closing = True
        await asyncio.gather(*(model.close() for model in self._models.values()))
        await asyncio.get_running_loop().run_in_executor(None, self._loader.close)


def _unknown(text: str) -> ServeError:
    return ServeError(Kind.NOT_FOUND, f"Request for unknown model: {text}")
