"""Validation itself: find the models, run the rules, silence what is allowed, sort what is left.

    report = validate([Path("repository")], Settings())

Nothing in a repository makes it raise: whatever cannot be read is a finding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.locate import located
from trtbuild.validate.model import Model
from trtbuild.validate.peers import Peer, peer_of
from trtbuild.validate.places import path_text
from trtbuild.validate.resources import holders, resources
from trtbuild.validate.rule import Rule, all_rules, matches
from trtbuild.validate.rules.suppression import misread, unused
from trtbuild.validate.settings import Settings
from trtbuild.validate.streams import is_decoupled
from trtbuild.validate.suppress import read_allows
from trtbuild.validate.targets import Repository, targets_of


class Report(msgspec.Struct, frozen=True):
    """What a validation found."""

    findings: tuple[Finding, ...]  # by model, then by place
    models: int  # that were judged

    def count(self, severity: Severity) -> int:
        """How many findings of exactly this severity there are."""
        return sum(finding.level == severity for finding in self.findings)

    def fails(self, minimum: Severity) -> bool:
        """Whether a finding at or above `minimum` exists."""
        return any(finding.level >= minimum for finding in self.findings)


def validate(paths: Sequence[Path], settings: Settings) -> Report:
    """Judge repositories, models and config files.

    Raises `UsageError` for a path that does not exist.
    """
    repositories = targets_of(paths)
    findings: list[Finding] = []
    models = 0
    for repository in repositories:
        for found in judge_repository(repository, settings):
            models += 1
            findings += found
    findings.sort(key=_order)
    return Report(tuple(findings), models)


def _order(finding: Finding) -> tuple[str, str, int, int, str, str]:
    file = str(finding.file or "")
    return (finding.model, file, finding.line, finding.column, finding.code, finding.message)


def judge_repository(repository: Repository, settings: Settings) -> Iterator[list[Finding]]:
    """The findings of each model asked for; members of ensembles are judged along with them."""
    peers: dict[str, Peer] = {}
    ensembles: dict[str, Model] = {}
    limited: list[Model] = []  # which the rate limiter holds back: their resources must agree
    opened: set[str] = set()
    for model in _reached(repository, settings, opened):
        if model.is_ensemble:
            ensembles[str(model.path)] = model
        elif any(resources(model)):
            limited.append(model)
        else:
            yield from _judge_member(repository, model, peers)
    if any(map(repository.reports, limited)):
        others = _others_limited(repository, settings, opened)
        own = [model for model in (*limited, *others) if repository.is_own(model)]
        found = holders(sorted(own, key=lambda model: model.name))
        for model in limited:
            model.resource_holders = found
    for model in limited:
        yield from _judge_member(repository, model, peers)
    yield from _judge_ensembles(repository, ensembles, peers)


def _reached(repository: Repository, settings: Settings, opened: set[str]) -> Iterator[Model]:
    """The models asked for, and those that ensembles among them are made of; their names too."""
    names = frozenset(repository.names)
    waiting = sorted(repository.asked & names, reverse=True)
    opened.update(waiting)
    while waiting:
        for model in repository.models(waiting.pop(), settings):
            steps = model.config.ensemble_scheduling.step if model.is_ensemble else ()
            members = ({step.model_name for step in steps} & names) - opened
            opened.update(members)
            waiting += sorted(members, reverse=True)
            yield model


def _others_limited(
    repository: Repository, settings: Settings, opened: set[str]
) -> Iterator[Model]:
    """The models that were not opened and that the rate limiter holds back, too."""
    for name in repository.names:
        if name not in opened and repository.mentions(name, b"rate_limiter"):
            model = next(repository.models(name, settings))
            if not model.is_ensemble and any(resources(model)):
                yield model


def _judge_member(
    repository: Repository, model: Model, peers: dict[str, Peer]
) -> Iterator[list[Finding]]:
    """Judge a model that is no ensemble, and note what ensembles must know of it."""
    found = judge(model)
    if repository.is_own(model):
        peers[model.name] = peer_of(model, _first_error(found))
    if repository.reports(model):
        yield found


def _judge_ensembles(
    repository: Repository, ensembles: dict[str, Model], peers: dict[str, Peer]
) -> Iterator[list[Finding]]:
    """Members first, so that each ensemble knows which of its members load."""
    names = repository.names
    for model in ensembles.values():
        if repository.is_own(model):  # so that circles and forward references are seen
            peers.setdefault(model.name, peer_of(model))
    for model in _members_first(repository, ensembles):
        model.peers, model.neighbours = None if repository.alone else peers, names
        found = judge(model)
        if repository.is_own(model):
            decoupled = is_decoupled(model.graph, peers)
            peers[model.name] = peer_of(model, _first_error(found), decoupled=decoupled)
        if repository.reports(model):
            yield found


def _members_first(repository: Repository, ensembles: dict[str, Model]) -> Iterator[Model]:
    """Each ensemble after those that it is made of; last, by path, those on or before a circle."""
    own = {model.name for model in ensembles.values() if repository.is_own(model)}
    members = {
        path: {step.model for step in model.graph.steps} & own - {model.name}
        for path, model in ensembles.items()
    }
    waits = {path: len(names) for path, names in members.items()}
    waiting_for: dict[str, list[str]] = {}
    for path, needed in members.items():
        for name in needed:
            waiting_for.setdefault(name, []).append(path)
    ready = deque(path for path, count in waits.items() if not count)
    while ready:
        path = ready.popleft()
        model = ensembles[path]
        yield model
        del waits[path]
        for later in waiting_for.get(model.name, ()) if repository.is_own(model) else ():
            waits[later] -= 1
            if not waits[later]:
                ready.append(later)
    for path in sorted(waits):
        yield ensembles[path]


def _first_error(findings: Iterable[Finding]) -> str:
    return next((f.message for f in findings if f.severity == Severity.ERROR), "")


def judge(model: Model) -> list[Finding]:
    """The findings of one model, whole: with code, severity and place, without those allowed."""
    found = _of_rules(model, broken=True) if model.problems else []
    if model.readings:
        found += _of_all_readings(model)
    found = _without_pointers(found)
    if "trtbuild:" in model.document.text:
        found = _allowed(model, found)
    settings = model.settings
    rules = {rule.code: rule for rule in all_rules()}
    return [finding for finding in found if _wanted(rules[finding.code], settings)]


def _wanted(rule: Rule, settings: Settings) -> bool:
    chosen = not settings.select or matches(rule, settings.select)
    return chosen and not matches(rule, settings.ignore)


def _of_rules(model: Model, *, broken: bool) -> list[Finding]:
    """What the rules find that are about broken configs, or the others."""
    rules = all_rules()
    if model.settings.triton is not None:
        rules = [rule for rule in rules if rule.holds_for(model.settings)]
    return [
        located(model, finding, rule)
        for rule in rules
        if rule.when_broken == broken and (not rule.needs or _has(model.config, rule.needs))
        for finding in _run(rule, model)
    ]


def _of_all_readings(model: Model) -> list[Finding]:
    """What holds whatever was meant by the parts of a broken config that cannot be read."""
    first, *more = model.readings
    found = _of_rules(first, broken=False)
    for other in more:
        for field in ("peers", "neighbours", "twins", "resource_holders", "named_by"):
            setattr(other, field, getattr(model, field))
        also = {_key(finding) for finding in _of_rules(other, broken=False)}
        found = [finding for finding in found if _key(finding) in also]
    if more:
        found = [finding for finding in found if not _may_be_misspelt(first, finding)]
    return found


_ABOUT_CONTENT = frozenset({"F002", "F007", "P005", "Y001", "Y002"})  # of a file
_POINTER = "F018"


def _without_pointers(found: list[Finding]) -> list[Finding]:
    """`found` without what the content of git lfs's pointers brings about: they have a rule."""
    pointers = [f.file for f in found if f.code == _POINTER and f.file is not None]
    return [
        finding
        for finding in found
        if finding.code not in _ABOUT_CONTENT
        or finding.file is None
        or not any(pointer.is_relative_to(finding.file) for pointer in pointers)
    ]


def _may_be_misspelt(model: Model, finding: Finding) -> bool:
    """Whether it is about a message with an unknown field, which may be what the message lacks."""
    path, span = path_text(finding.at), None
    while path and (span := model.document.span(path)) is None:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return span is not None and any(
        problem.kind == "unknown-field" and span.name <= problem.offset < span.end
        for problem in model.problems
        if isinstance(problem, ConfigSyntaxError) and not problem.sure
    )


def _key(finding: Finding) -> tuple[str, str, int, int]:
    return finding.code, finding.message, finding.line, finding.column


def _has(config: Any, field: str) -> bool:
    value = getattr(config, field)
    return bool(len(value)) if hasattr(value, "__len__") else config.HasField(field)


def _run(rule: Rule, model: Model) -> Iterator[Finding]:
    """The rule's findings; a file that vanishes or cannot be read meanwhile ends them."""
    try:
        yield from rule.check(model)
    except OSError as error:
        yield Finding(
            message=f"could not be judged: {error.strerror or error}",
            file=Path(error.filename) if error.filename else None,
            hint="the file vanished or is not readable; run it again",
        )


def _allowed(model: Model, found: list[Finding]) -> list[Finding]:
    """`found` without what comments allow, with findings about comments that were not needed."""
    by_code: Mapping[str, Rule] = {rule.code: rule for rule in all_rules()}
    names = frozenset(rule.name for rule in by_code.values())
    allows, not_read = read_allows(model.comments, model.document.text, names)
    used: set[int] = set()
    kept = []
    for finding in found:
        hits = [
            number
            for number, allow in enumerate(allows)
            if allow.word in (finding.code, finding.name)
            and not by_code[finding.code].firm
            and (allow.line == 0 or (finding.file == model.path and allow.line == finding.line))
        ]
        used.update(hits)
        if not hits:
            kept.append(finding)
    extra = [
        (by_code["U001"], unused.finding(allow.word, allow.at))
        for number, allow in enumerate(allows)
        if number not in used
    ] + [(by_code["U002"], misread.finding(bad.message, bad.at)) for bad in not_read]
    return kept + [located(model, finding, rule) for rule, finding in extra]
