"""A model's directory to versions that are ready to serve: what blocks runs on helper threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from trtbuild.foreign import Fence
from trtserve.loading import Candidate, Prepared, candidate, prepare
from trtserve.settings import Settings
from trtserve.version import Version

_T = TypeVar("_T")


class Loader:
    """Loads for all models of a server. Methods run on the event loop."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._threads = ThreadPoolExecutor(settings.load_threads, "load")
        self._looks = ThreadPoolExecutor(1, "look")

    @property
    def fence(self) -> Fence:
        """Where links in the repositories may lead."""
        return self._settings.fence

    async def in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """What `function` returns, called on a helper thread."""
        return await self._loop.run_in_executor(self._threads, function, *arguments)

    async def look(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """The same for a look at the repositories: it waits for no load."""
        return await self._loop.run_in_executor(self._looks, function, *arguments)

    async def candidate(self, name: str, directory: Path, config: Any = None) -> Candidate:
        """What is to be loaded; `config` instead of the directory's. Raises `ServeError`."""
        return await self.in_thread(candidate, directory, self._settings, config, name)

    async def versions(self, found: Candidate) -> dict[int, Version]:
        """All versions, warmed up. One that fails fails all, and nothing is left of them then."""
        began = time.monotonic()
        prepared = await self._prepared(found)
        seconds = time.monotonic() - began
        made = {
            number: Version(number, each, self._settings, self._loop, seconds)
            for number, each in zip(found.versions, prepared, strict=True)
        }
        try:
            for version in made.values():
                await version.warm_up(found.directory, self.in_thread)
        except BaseException:
            for version in made.values():
                version.runner.close()
            raise
        return made

    async def _prepared(self, found: Candidate) -> list[Prepared]:
        results = await asyncio.gather(
            *(self.in_thread(prepare, found, number, self._settings) for number in found.versions),
            return_exceptions=True,
        )
        prepared = [each for each in results if isinstance(each, Prepared)]
        failures = [each for each in results if isinstance(each, BaseException)]
        if failures:
            for each in prepared:
                await self.in_thread(each.loaded.unload)
            raise failures[0]
        return prepared

    def close(self) -> None:
        """End the helper threads. Blocks while they load."""
        self._threads.shutdown()
        self._looks.shutdown()
