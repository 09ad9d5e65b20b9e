"""The models of a server: what is loaded, what was asked for, and how one follows the other.

A load makes new versions beside the old ones and puts them in their place in one step; the old
ones answer what they had accepted and are freed then. A load that fails changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trtserve import warmup
from trtserve.backends.base import Place
from trtserve.errors import Kind, ServeError, invalid
from trtserve.loading import Candidate, Prepared, candidate, prepare
from trtserve.protocols.infer_proto import ResponseEncoder
from trtserve.protocols.v2_json import JsonCodec
from trtserve.request import InferRequest
from trtserve.schedulers.direct import DirectScheduler
from trtserve.schedulers.dynamic import DynamicScheduler, policy_from_config
from trtserve.schedulers.loop import Runner
from trtserve.schedulers.policy import Batch, Scheduler
from trtserve.settings import Settings
from trtserve.statistics import ModelStatistics

_log = logging.getLogger("trtserve")
Fingerprint = tuple[tuple[str, int, int], ...]


class Version:
    """One loaded version of a model, with all that a request to it needs."""

    def __init__(
        self, number: int, prepared: Prepared, settings: Settings,
        loop: asyncio.AbstractEventLoop, load_s: float,
    ) -> None:  # fmt: skip
        self.name = prepared.contract.name
        self.number = str(number)
        self.config = prepared.config
        self.contract = prepared.contract
        self.note = prepared.note
        self.runs_on = prepared.loaded.runs_on
        self.load_s = load_s
        self.codec = JsonCodec(self.contract)
        self.encoder = ResponseEncoder(self.contract)
        self.statistics = ModelStatistics()
        instances = prepared.loaded.instances(Place(self.contract, self.number, loop))
        self.runner = Runner(
            _scheduler(self.config), instances, self.statistics, loop, settings.max_waiting
        )

    @property
    def platform(self) -> str:
        """What really runs it, as the metadata says: a fallback is no TensorRT plan."""
        if self.note:
            return "onnxruntime_onnx"
        return str(self.config.platform or self.config.backend)

    def submit(self, request: InferRequest) -> None:
        """Queue a request. Raises `ServeError` where there is no room."""
        self.runner.submit(request)

    def warm_up_batches(self, directory: Path) -> list[Batch]:
        """What the config's `model_warmup` runs. Raises `ServeError`."""
        return list(warmup.batches(self.config, self.contract, directory))

    async def retire(self) -> None:
        """Answer what was accepted, then free everything."""
        await self.runner.drain()
        self.runner.close()


def _scheduler(config: Any) -> Scheduler:
    if config.WhichOneof("scheduling_choice") == "dynamic_batching" and config.max_batch_size > 0:
        return DynamicScheduler(policy_from_config(config))
    return DirectScheduler()


class Model:
    """One model of the repositories: its loaded versions, or why there are none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: dict[int, Version] = {}
        self.reason = ""  # why the last load failed, or "unloaded"
        self.failed_versions: tuple[int, ...] = ()
        self.fingerprint: Fingerprint | None = None
        self.lock = asyncio.Lock()  # loads and unloads of one model come one after the other

    def index(self) -> list[dict[str, str]]:
        """The model's entries of the repository index."""
        rows = [
            {"name": self.name, "version": str(number), "state": "READY"}
            for number in sorted(self.versions)
        ]
        if self.reason and not self.versions:
            numbers = self.failed_versions or (1,)
            rows += [
                {"name": self.name, "version": str(number), "state": "UNAVAILABLE",
                 "reason": self.reason}
                for number in numbers
            ]  # fmt: skip
        return rows


class Models:
    """All models. Methods run on the event loop; what blocks goes to helper threads."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._threads = ThreadPoolExecutor(settings.load_threads, "load")
        self._models: dict[str, Model] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self.generation = 0  # grows whenever a name may mean another version than before

    # Look-up

    def version(self, name: str, number: str = "") -> Version:
        """The version that a request means; "" is the highest. Raises `ServeError`."""
        model = self._models.get(name)
        if model is None:
            raise _unknown(f"'{name}' is not found")
        if not number:
            if not model.versions:
                raise ServeError(
                    Kind.UNAVAILABLE,
                    f"Request for unknown model: '{name}' has no available versions",
                )
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
    def all_ready(self) -> bool:
        """Every model that should be served is."""
        return all(model.versions or model.reason == "unloaded" for model in self._models.values())

    def index(self) -> list[dict[str, str]]:
        """The repository index: what is loaded, and what lies in the repositories."""
        rows = [row for _, model in sorted(self._models.items()) for row in model.index()]
        known = {row["name"] for row in rows}
        rows += [{"name": name} for name in sorted(self._directories()) if name not in known]
        return rows

    # Loading

    def _directories(self) -> dict[str, Path]:
        found, problems = model_directories(self._settings.repositories)
        for name, problem in problems.items():
            _log.error("model '%s' %s", name, problem)
        return found

    async def start(self) -> list[ServeError]:
        """Load what the control mode loads at start. Returns what failed."""
        names = list(self._directories())
        if self._settings.control == "explicit":
            asked = self._settings.load_models
            names = names if asked == ("*",) else list(dict.fromkeys(asked))
        results = await asyncio.gather(*map(self.load, names), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ServeError):
                raise result
        return [result for result in results if isinstance(result, ServeError)]

    async def load(self, name: str, override: Any = None, directory: Path | None = None) -> None:
        """Load or reload a model. Raises `ServeError`, and then everything is as it was."""
        directory = directory or self._directories().get(name)
        if directory is None:
            raise ServeError(
                Kind.INTERNAL, f"failed to load '{name}', failed to poll from model repository"
            )
        model = self._models.setdefault(name, Model(name))
        async with model.lock:
            await self._load(model, directory, override)

    async def _load(self, model: Model, directory: Path, override: Any) -> None:
        in_thread = self._loop.run_in_executor
        fingerprint = await in_thread(self._threads, fingerprint_of, directory)
        if override is None and model.versions and fingerprint == model.fingerprint:
            return
        began = time.monotonic()
        numbers: tuple[int, ...] = ()
        try:
            found: Candidate = await in_thread(
                self._threads, candidate, directory, self._settings, override, model.name
            )
            numbers = found.versions
            prepared = await asyncio.gather(
                *(in_thread(self._threads, prepare, found, number, self._settings)
                  for number in numbers)
            )  # fmt: skip
        except ServeError as error:
            raise self._failed(model, numbers, error) from None
        seconds = time.monotonic() - began
        new = {
            number: Version(number, each, self._settings, self._loop, seconds)
            for number, each in zip(numbers, prepared, strict=True)
        }
        try:
            for version in new.values():
                samples = await in_thread(self._threads, version.warm_up_batches, found.directory)
                await version.runner.warm(samples)
        except ServeError as error:
            for version in new.values():
                version.runner.close()
            raise self._failed(model, numbers, error) from None
        self._swap(model, new)
        model.fingerprint = None if override is not None else fingerprint
        for version in new.values():
            note = f" ({version.note})" if version.note else ""
            level = logging.WARNING if version.note else logging.INFO
            _log.log(level, "'%s' version %s is ready: %s%s", model.name, version.number,
                     version.runs_on, note)  # fmt: skip

    @staticmethod
    def _failed(model: Model, numbers: tuple[int, ...], error: ServeError) -> ServeError:
        """Note why a load failed. Returns what its client is told."""
        model.reason, model.failed_versions = str(error), numbers
        _log.error("failed to load '%s': %s", model.name, error)
        return ServeError(Kind.INVALID_ARG, f"load failed for model '{model.name}': {error}")

    def _swap(self, model: Model, new: dict[int, Version]) -> None:
        old, model.versions = model.versions, new
        model.reason, model.failed_versions = "", ()
        self.generation += 1
        for version in old.values():
            self._retire(version)

    def _retire(self, version: Version) -> None:
        task = self._loop.create_task(version.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def unload(self, name: str) -> None:
        """Take a model out of service; what it had accepted is still answered."""
        model = self._models.get(name)
        if model is None:
            raise (
                _unknown(f"'{name}' is not found")
                if name not in self._directories()
                else (ServeError(Kind.INVALID_ARG, f"model '{name}' is not loaded"))
            )
        async with model.lock:
            numbers = tuple(model.versions)
            self._swap(model, {})
            model.reason, model.failed_versions = "unloaded", numbers
            model.fingerprint = None

    async def poll(self) -> None:
        """Follow what has changed in the repositories since the last look."""
        directories = self._directories()
        for name, directory in directories.items():
            model = self._models.get(name)
            fingerprint = await self._loop.run_in_executor(self._threads, fingerprint_of, directory)
            if model is None or model.fingerprint != fingerprint:
                try:
                    await self.load(name)
                except ServeError:
                    # Remembered, so that the same broken state is not tried at every look.
                    self._models[name].fingerprint = fingerprint
        for name in set(self._models) - set(directories):
            await self.unload(name)

    async def close(self) -> None:
        """Retire everything."""
        for model in self._models.values():
            self._swap(model, {})
        await asyncio.gather(*self._retiring)
        self._threads.shutdown()


def model_directories(repositories: Sequence[Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """Every model's directory by its name, and the names that are nobody's, with the reason."""
    found: dict[str, Path] = {}
    problems = {}
    for repository in repositories:
        for path in repository.iterdir():
            if not path.is_dir():
                continue
            if path.name in found:
                problems[path.name] = "is not unique across all model repositories"
            found[path.name] = path
    return {name: path for name, path in found.items() if name not in problems}, problems


def _unknown(text: str) -> ServeError:
    return ServeError(Kind.NOT_FOUND, f"Request for unknown model: {text}")


def fingerprint_of(directory: Path) -> Fingerprint:
    """What tells whether anything in a model's directory has changed: names, times, sizes."""
    rows = []
    for path in sorted(directory.rglob("*")):
        try:
            stat = path.stat()
        except OSError:  # it vanished, or is a broken link: that is a state of its own
            rows.append((str(path), 0, -1))
            continue
        rows.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(rows)
