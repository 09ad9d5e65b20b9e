"""What a path on the command line stands for: a repository, one model, or one config file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

from trtbuild.errors import ConfigError, UsageError
from trtbuild.foreign import ANYWHERE, Fence, fence_of, open_file
from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.read import MAX_BYTES, ParsedConfig, parse_config, read_config
from trtbuild.modelconfig.recover import recover
from trtbuild.repository.directory import Directory
from trtbuild.repository.layout import (
    CONFIG,
    VARIANTS,
    check_level,
    check_no_version,
    has_versions,
    is_config,
    is_model,
    with_a_name,
)
from trtbuild.validate.bounded import content_of
from trtbuild.validate.lfs import is_pointer_text
from trtbuild.validate.model import Model
from trtbuild.validate.settings import Settings


class Repository:
    """A folder of models, all of which can be members; those of `asked` are reported on."""

    def __init__(
        self, root: Path, asked: frozenset[str] | None = None, *, named: tuple[Path, ...] = ()
    ) -> None:
        self.root = root
        self._asked = asked  # None: all, which are not listed before they are needed
        self.named = named  # model folders of the command line, wherever they lie
        self.twins: dict[str, tuple[Path, ...]] = {}

    @property
    def alone(self) -> bool:
        """Whether nothing is known of other models."""
        return False

    @cached_property
    def names(self) -> list[str]:
        """The models' names. Folders are models, hidden ones too; files are not."""
        return sorted(Directory(self.root).folders)

    def fence(self, settings: Settings) -> Fence:
        """Where links in it may lead."""
        return ANYWHERE if settings.follow_links else fence_of(self.root, *self.named)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The models to report on."""
        return frozenset(self.names) if self._asked is None else self._asked

    @property
    def is_whole(self) -> bool:
        """Whether all its models are reported on."""
        return self._asked is None

    def holds(self, config: Path) -> bool:
        """Whether `config` is one of a model that is reported on."""
        folder = with_a_name(config.parent)
        if folder.name == VARIANTS and is_config(config.name):
            folder = folder.parent
        elif config.name != CONFIG:
            return False
        return folder.name in self.asked and os.path.realpath(folder.parent) == self.place

    @cached_property
    def place(self) -> str:
        """Where its root really is."""
        return os.path.realpath(self.root)

    def reports(self, model: Model) -> bool:
        """Whether `model` is one of those to report on."""
        return model.name in self.asked

    def is_own(self, model: Model) -> bool:
        """Whether `model` is as its own config says, not as one of `configs/*.pbtxt`."""
        return model.path == self.config_path(model.name)

    def config_path(self, name: str) -> Path:
        """Where the config of a model is."""
        return self.root / name / CONFIG

    def mentions(self, name: str, word: bytes) -> bool:
        """Whether the text of a model's own config has `word` in it."""
        try:
            return word in (content_of(self.config_path(name), MAX_BYTES) or b"")
        except OSError:
            return False

    def naming(self, own: str, *words: str) -> list[str]:
        """The other models whose configs, or whose Python, have all of `words` in quotes."""
        return [
            name
            for name in self.names
            if name != own and any(_quotes(path, words) for path in self._texts(name))
        ]

    def _texts(self, name: str) -> Iterator[Path]:
        directory = Directory(self.root / name, fence_of(self.root, *self.named))
        yield self.config_path(name)
        if VARIANTS in directory.folders:
            yield from (directory.path / VARIANTS / f for f in directory.child(VARIANTS).files)
        for version in directory.versions:
            files = directory.child(version).files
            yield from (directory.path / version / f for f in files if f.endswith(".py"))

    def models(self, name: str, settings: Settings) -> Iterator[Model]:
        """The model by its own config, then by each of `configs/*.pbtxt`."""
        directory = Directory(self.root / name, self.fence(settings))
        if not directory.fence.holds(directory.path):
            yield _left_out(name, self.config_path(name), directory, settings)
            return
        for made in settings.draft.folders:
            if made.parent == directory.path:
                directory.foresee(made.name)
        paths = [self.config_path(name)]
        if VARIANTS in directory.folders:
            variants = directory.child(VARIANTS)
            paths += [variants.path / file for file in sorted(variants.files) if is_config(file)]
            if CONFIG not in directory.files and len(paths) > 1:
                del paths[0]  # such a repository is served with --model-config-name alone
        for path in paths:
            model = open_model(name, path, directory, settings)
            model.twins = self.twins.get(name, ())
            model.named_by = partial(self.naming, name)
            yield model


def _quotes(path: Path, words: Sequence[str]) -> bool:
    """Whether a text has each of `words` in it, in quotes of either kind."""
    try:
        text = content_of(path, MAX_BYTES) or b""
    except OSError:
        return False
    quoted = ((f'"{word}"'.encode(), f"'{word}'".encode()) for word in words)
    return all(any(form in text for form in forms) for forms in quoted)


class ConfigFile(Repository):
    """A config file that lies in no model's folder: only its text is judged."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent, frozenset({path.name}))
        self.path = path

    @property
    def alone(self) -> bool:
        """Nothing is known of other models."""
        return True

    @cached_property
    def names(self) -> list[str]:
        """The file stands for its model."""
        return [self.path.name]

    def reports(self, model: Model) -> bool:  # noqa: ARG002  # there is only the one
        """Always, whatever name the config gives the model."""
        return True

    def config_path(self, name: str) -> Path:  # noqa: ARG002  # there is only the one
        """The file."""
        return self.path

    def models(self, name: str, settings: Settings) -> Iterator[Model]:
        """The one model."""
        yield open_model(name, self.path, None, settings)


def targets_of(paths: Sequence[Path]) -> list[Repository]:
    """What `paths` stand for, each model once: those of one repository are judged together.

    Raises `UsageError` for one that is not there, is the folder of a model's version, or is a
    file that is neither called a config nor text.
    """
    targets = [_target(path) for path in paths]
    by_place: dict[str, list[Repository]] = {}
    for target in targets:
        if not target.alone:
            by_place.setdefault(target.place, []).append(target)
    repositories = [_joined(parts) for parts in by_place.values()]
    files = {
        os.path.realpath(target.path): target
        for target in reversed(targets)  # of two links to one file the first counts
        if isinstance(target, ConfigFile) and not any(r.holds(target.path) for r in repositories)
    }
    _find_twins([repository for repository in repositories if repository.is_whole])
    return [*repositories, *reversed(files.values())]


def _joined(parts: Sequence[Repository]) -> Repository:
    """One repository of those that have the same root."""
    whole = any(part.is_whole for part in parts)
    asked = None if whole else frozenset().union(*(part.asked for part in parts))
    return Repository(parts[0].root, asked, named=tuple(p for part in parts for p in part.named))


def _find_twins(repositories: Sequence[Repository]) -> None:
    """Tell each of what else has a model of the same name."""
    places: dict[str, list[Repository]] = {}
    for repository in repositories if len(repositories) > 1 else ():
        for name in repository.names:
            places.setdefault(name, []).append(repository)
    for name, holders in places.items():
        for holder in holders if len(holders) > 1 else ():
            holder.twins[name] = tuple(r.root / name for r in holders if r is not holder)


def _target(path: Path) -> Repository:
    if path.is_dir() and is_model(path):
        model = with_a_name(path)
        return Repository(model.parent, frozenset({model.name}), named=(model,))
    if path.is_dir():
        check_no_version(path)
        check_level(path)
        return Repository(path)
    if not os.path.lexists(path):
        raise UsageError(f"there is no {path}", "give a repository, a model or a config.pbtxt")
    folder = with_a_name(path.parent)
    if path.name == CONFIG and has_versions(folder):
        return Repository(folder.parent, frozenset({folder.name}), named=(folder,))
    if path.suffix != Path(CONFIG).suffix and _is_binary(path):
        raise UsageError(
            f"'{path}' is no config.pbtxt: it is no text",
            "give the folder of the repository or of one model; "
            "`trtbuild inspect` shows what is in a model file or a plan",
        )
    return ConfigFile(path)


def _is_binary(path: Path) -> bool:
    """Whether a NUL is among its first bytes, as in every model file."""
    try:
        with open_file(path) as file:
            return b"\0" in file.read(4096)
    except OSError:
        return False  # a fifo, or one without the right to read: the finding will say so


def open_model(name: str, path: Path, directory: Directory | None, settings: Settings) -> Model:
    """Read a model's config, which may be missing or broken."""
    if (
        directory is not None
        and path.parent == directory.path
        and not directory.has_entry(path.name)
    ):
        return Model(name, _document(path, ""), directory, path, settings, exists=False)
    if directory is not None and not directory.fence.holds(path):
        return _left_out(name, path, directory, settings)
    try:
        text = settings.draft.texts.get(path)
        document = read_config(path) if text is None else parse_config(text, str(path))
    except ConfigSyntaxError as error:
        return _broken(name, directory, path, settings, error)
    except ConfigError as error:
        return Model(name, _document(path, ""), directory, path, settings, problems=(error,))
    return Model(
        document.message.name or name if directory is None else name,
        document,
        directory,
        path,
        settings,
    )


def _left_out(name: str, path: Path, directory: Directory, settings: Settings) -> Model:
    """A model whose folder or config is a link that leads out of the repository."""
    link = path if directory.fence.holds(directory.path) else directory.path
    problem = ConfigError(
        f"{link} is a link that leads out of the repository, to '{os.path.realpath(link)}'",
        "put the real one there, or follow such links with --follow-links",
    )
    return Model(name, _document(path, ""), None, path, settings, problems=(problem,))


def _broken(
    name: str, directory: Directory | None, path: Path, settings: Settings, error: ConfigError
) -> Model:
    """A model whose config has faults: with all of them, and with what it says beside them."""
    text = settings.draft.texts.get(path, _text(path))
    if is_pointer_text(text.encode("utf-8", "surrogateescape")):
        return Model(name, _document(path, text), directory, path, settings, problems=(error,))
    recovered = recover(text, str(path))
    problems = recovered.problems or (error,)  # none: it was written to in between
    if not recovered.readings:
        return Model(name, _document(path, text), directory, path, settings, problems=problems)
    model, other = (
        Model(name, document, directory, path, settings, problems=problems)
        for document in recovered.readings
    )
    model.other = other
    return model


def _document(path: Path, text: str) -> ParsedConfig:
    """An empty config that stands for one that is missing or broken, with its text."""
    return ParsedConfig(str(path), text, parse_config(b"").message)


def _text(path: Path) -> str:
    try:
        return (content_of(path, MAX_BYTES) or b"").decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def ensembles_of(path: Path, name: str | None) -> list[Model]:
    """The ensembles at `path`, or the one called `name`.

    Of all, models whose config cannot be read are there too, with their `problem`, where they may
    be ensembles: their text says so or is not known.

    Raises `UsageError` where `path` is not there or `name` is no ensemble in it, `ConfigError`
    where its config cannot be read.
    """
    (repository,) = targets_of([path])
    models = [
        model
        for asked in sorted(repository.asked if name is None else {name} & {*repository.names})
        for model in list(repository.models(asked, Settings()))[:1]
    ]
    if name is not None and models and models[0].problem is not None:
        raise models[0].problem
    found = [model for model in models if model.is_ensemble or _may_be_ensemble(model)]
    if name is not None and not found:
        there = ", ".join(model.name for model in ensembles_of(path, None) if model.is_ensemble)
        raise UsageError(
            f"'{name}' is no ensemble of {path}; "
            + (f"there are: {there}" if there else "there is none"),
            "give one of them, or no name to see all" if there else "",
        )
    return found


def _may_be_ensemble(model: Model) -> bool:
    text = model.document.text
    return model.problem is not None and (not text or "ensemble" in text)
