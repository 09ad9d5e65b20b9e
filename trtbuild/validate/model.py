"""What a rule sees: one model of a repository, its config and its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from trtbuild.modelconfig.complete import Completed, complete
from trtbuild.repository.directory import Directory
from trtbuild.repository.versions import overflows, selected_versions
from trtbuild.validate.completion import Completion, completion_of
from trtbuild.validate.ensemble import Graph
from trtbuild.validate.settings import Settings

if TYPE_CHECKING:
    from trtbuild.errors import ConfigError
    from trtbuild.modelconfig.read import Comment, ParsedConfig
    from trtbuild.modelconfig.schema import Config
    from trtbuild.validate.peers import Peer
    from trtbuild.validate.resources import Holders


class Model:
    """One model. A config file alone has no `directory`: what needs one is not judged."""

    def __init__(
        self,
        name: str,
        document: ParsedConfig,
        directory: Directory | None,
        path: Path,
        settings: Settings,
        *,
        exists: bool = True,
        problems: Sequence[ConfigError] = (),
    ) -> None:
        self.name = name  # of the folder; of the config where there is no folder
        self.document = document
        self.config: Config = document.message  # as written, nothing filled in
        self.directory = directory
        self.path = path  # of the config, whether it `exists` or not
        self.settings = settings
        self.exists = exists
        self.problems = problems  # why the config could not be read
        self.other: Model | None = None  # such a config in its second reading; see `recover`
        self.peers: Mapping[str, Peer] | None = None  # its members at least; None: unknown
        self.neighbours: Sequence[str] = ()  # of an ensemble: the names of all models around it
        self.twins: tuple[Path, ...] = ()  # folders of the same name in other repositories
        self.named_by: Callable[..., Sequence[str]] = lambda *_: ()  # see `Repository.naming`
        self.resource_holders: Holders = {}  # the repository's rate limiter resources

    @property
    def problem(self) -> ConfigError | None:
        """The first reason why the config could not be read."""
        return self.problems[0] if self.problems else None

    @property
    def readings(self) -> tuple[Model, ...]:
        """What there is to judge beside the text: itself; of a broken config both readings.

        None where the text leaves open what it means.
        """
        if not self.problems:
            return (self,)
        return () if self.other is None else (self, self.other)

    @cached_property
    def completed(self) -> Completed:
        """Backend, platform and file name after Triton's core filled in what was left out."""
        folders = self.directory.folders if self.directory is not None else ()
        first = self.directory.child(min(folders)) if self.directory and folders else None
        return complete(self.config, first, self.name)

    @property
    def backend(self) -> str:
        """The backend that runs it; "" for ensembles and where none is known."""
        return self.completed.backend

    @property
    def platform(self) -> str:
        """The platform, which not every backend has."""
        return self.completed.platform

    @property
    def is_ensemble(self) -> bool:
        """Whether Triton itself runs it, as a graph of other models."""
        return bool(self.config.platform == "ensemble")

    @cached_property
    def completion(self) -> Completion:
        """How much auto-complete fills in of what the config leaves out."""
        return completion_of(self)

    @property
    def fills_tensors(self) -> bool:
        """Whether the backend may add what the config's inputs and outputs leave out."""
        return self.completion > Completion.NOTHING

    @cached_property
    def versions(self) -> dict[int, str]:
        """The versions the policy selects -> the folder that Triton opens for each."""
        if self.directory is None:
            return {}
        existing = {v for v in self.directory.versions.values() if not overflows(v)}
        return {v: str(v) for v in sorted(selected_versions(self.config, existing))}

    @property
    def version_folders(self) -> dict[int, Directory]:
        """The selected versions whose folders are there."""
        if self.directory is None:
            return {}
        return {
            version: self.directory.child(name)
            for version, name in self.versions.items()
            if name in self.directory.folders
        }

    def written(self, path: str) -> bool:
        """Whether the config says the field `path`, be it its default value."""
        last = path.rpartition(".")[2].partition("[")[0]
        return last in self.document.text and self.document.span(path) is not None

    @cached_property
    def comments(self) -> tuple[Comment, ...]:
        """The comments of the config, also of one that cannot be read."""
        return self.document.comments

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the config."""
        return self.document.text.split("\n")

    @cached_property
    def graph(self) -> Graph:
        """The ensemble's steps and tensors."""
        return Graph(self.config)
