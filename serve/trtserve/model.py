"""One model: load -> warm up -> swap -> drain -> free.

A load makes new versions beside the old ones and puts them in their place in one step; the old
ones answer what they had accepted and are freed then. A load that fails changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from trtserve.errors import Kind, ServeError
from trtserve.loader import Loader
from trtserve.overrides import Override
from trtserve.repositories import Fingerprint, fingerprint_of
from trtserve.version import Version

_log = logging.getLogger("trtserve")
UNLOADED = "unloaded"


class Model:
    """One model of the repositories: its loaded versions, or why there are none."""

    def __init__(self, name: str, loader: Loader, changed: Callable[[], None]) -> None:
        self.name = name
        self.versions: dict[int, Version] = {}
        self.reason = ""  # why the last load failed, or that the model was unloaded
        self.failed_versions: tuple[int, ...] = ()
        self.lost = ""  # why what was served is no more, though nobody has unloaded it
        self.seen: Fingerprint | None = None  # its directory when a load was last tried
        self._served: Fingerprint | None = None  # its directory when `versions` were loaded
        self._override: Override | None = None  # the files that `versions` were loaded from
        self._loader = loader
        self._changed = changed
        self._lock = asyncio.Lock()  # loads and unloads come one after the other
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def as_asked(self) -> bool:
        """It is served, or it was told not to be."""
        return bool(self.versions) or self.reason == UNLOADED

    def index(self) -> list[dict[str, str]]:
        """The model's entries of the repository index."""
        if self.versions:
            return [
                {"name": self.name, "version": str(number), "state": "READY"}
                for number in sorted(self.versions)
            ]
        return [
            {"name": self.name, "version": str(number), "state": "UNAVAILABLE",
             "reason": self.reason}
            for number in (self.failed_versions or (1,) if self.reason else ())
        ]  # fmt: skip

    async def load(self, source: Path | Override, config: Any = None) -> None:
        """Load or reload. Raises `ServeError`, and then what was served is served as before."""
        async with self._lock:
            if isinstance(source, Override):
                await self._replace(source.directory, config, None, source)
                return
            fingerprint = await self._loader.in_thread(fingerprint_of, source, self._loader.fence)
            self.seen = fingerprint
            if config is not None:
                await self._replace(source, config, None)
            elif not self.versions or fingerprint != self._served:
                await self._replace(source, None, fingerprint)

    async def _replace(
        self, directory: Path, config: Any, fingerprint: Fingerprint | None,
        override: Override | None = None,
    ) -> None:  # fmt: skip
        tried: tuple[int, ...] = ()
        try:
            found = await self._loader.candidate(self.name, directory, config)
            tried = found.versions
            if override is not None:
                override.require(found.config.backend)
            _log.debug("loading '%s' from %s: versions %s", self.name, directory, tried)
            new = await self._loader.versions(found)
        except BaseException as error:
            if override is not None:
                override.close()
            if not isinstance(error, Exception):
                raise
            raise self._failed(tried, error) from None
        self._swap(new, override)
        self._served = fingerprint
        for version in new.values():
            _log_ready(version)

    def _failed(self, tried: tuple[int, ...], error: Exception) -> ServeError:
        """Note why a load failed. Returns what its client is told."""
        text = str(error)
        if not isinstance(error, ServeError | OSError):  # nothing may take other models with it
            text = f"{type(error).__name__}: {error}"
            _log.error("a bug, or a file like none before", exc_info=error)
        text = text.encode(errors="replace").decode()  # paths may hold what is no UTF-8
        self.reason, self.failed_versions = text, tried
        _log.error("failed to load '%s': %s", self.name, text)
        return ServeError(Kind.INVALID_ARG, f"load failed for model '{self.name}': {text}")

    def _swap(self, new: dict[int, Version], override: Override | None) -> None:
        old, self.versions = self.versions, new
        files, self._override = self._override, override
        self.reason, self.failed_versions, self.lost = "", (), ""
        self._changed()
        for number in sorted(set(old) - set(new)):
            _log.info("'%s' version %s is unloaded", self.name, number)
        if old or files is not None:
            task = asyncio.get_running_loop().create_task(self._retire(old.values(), files))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, versions: Iterable[Version], files: Override | None) -> None:
        await asyncio.gather(*(version.retire() for version in versions))
        for version in versions:
            _log.debug(
                "'%s' version %s has answered all and is freed", version.name, version.number
            )
        if files is not None:
            await self._loader.in_thread(files.close)

    async def unload(self) -> None:
        """Take it out of service; what it had accepted is still answered."""
        async with self._lock:
            numbers = tuple(self.versions)
            self._swap({}, None)
            self.reason, self.failed_versions = UNLOADED, numbers
            self._served = None

    async def lose(self, device: str, reason: str) -> None:
        """Take it out of service where it sits on a device that is lost; see `faults`."""
        async with self._lock:  # what is being loaded there is lost too
            if not any(device in version.devices for version in self.versions.values()):
                return
            numbers = tuple(self.versions)
            self._swap({}, None)
            self.reason, self.failed_versions, self.lost = reason, numbers, reason
            self._served = None
            _log.error("'%s' is unavailable: %s", self.name, reason)

    async def close(self) -> None:
        """Unload, and wait until everything is answered and freed."""
        await self.unload()
        await asyncio.gather(*self._retiring)


def _log_ready(version: Version) -> None:
    note = f" ({version.note})" if version.note else ""
    _log.log(
        logging.WARNING if version.note else logging.INFO, "'%s' version %s is ready: %s%s",
        version.name, version.number, version.runs_on, note,
    )  # fmt: skip
