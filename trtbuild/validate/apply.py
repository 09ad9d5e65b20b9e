"""`--fix` and `--diff`: repairs applied to the files they are about."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from trtbuild.errors import RepositoryError
from trtbuild.foreign import read_file
from trtbuild.modelconfig.read import MAX_BYTES
from trtbuild.validate.finding import Edit, Finding, MakeFolder
from trtbuild.validate.run import Report, validate
from trtbuild.validate.settings import Draft, Settings

_ROUNDS = 100  # reading ends at a file's first syntax error, so each round may repair only one


class Repair(msgspec.Struct, frozen=True):
    """What all fixes together make of one repository."""

    texts: dict[Path, tuple[str, str]]  # config file -> its text before and after
    folders: tuple[Path, ...]  # to create
    fixed: tuple[Finding, ...]  # the findings that were repaired


def plan_repair(findings: Iterable[Finding], draft: Draft = Draft()) -> Repair:  # noqa: B008
    """The repairs that do not overlap, on top of `draft`; what is left the next round finds."""
    edits: dict[Path, list[Edit]] = {}
    folders: dict[Path, None] = {}
    fixed = []
    for finding in findings:
        own = [step for step in finding.fix if isinstance(step, Edit)]
        file = finding.file
        if not finding.fix or (own and (file is None or _overlap(edits.get(file, []), own))):
            continue
        if own and file is not None:
            edits.setdefault(file, []).extend(own)
        folders.update({s.path: None for s in finding.fix if isinstance(s, MakeFolder)})
        fixed.append(finding)
    texts = {}
    for file, own in edits.items():
        before = draft.texts.get(file)
        if before is None:
            before = read_file(file, MAX_BYTES).decode("utf-8", "surrogateescape")
        texts[file] = (before, edited(before, own))
    return Repair(texts, tuple(folders), tuple(fixed))


def _overlap(have: list[Edit], more: list[Edit]) -> bool:
    return any((a.start < b.end and b.start < a.end) or a == b for a in have for b in more) or any(
        a.start == b.start for a in have for b in more
    )


def edited(text: str, edits: Iterable[Edit]) -> str:
    """`text` after `edits`, which do not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


def diff(repair: Repair) -> str:
    """A unified diff of all files, and a line for each folder."""
    parts = [f"create folder {path}/\n" for path in repair.folders]
    for file, (before, after) in sorted(repair.texts.items()):
        parts += difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"{file}",
            f"{file} (fixed)",
        )
    return "".join(part if part.endswith("\n") else part + "\n" for part in parts)


def write_repair(repair: Repair) -> None:
    """Write every file by one rename, and create the folders.

    Raises `RepositoryError` where a file or folder cannot be written.
    """
    try:
        for path in repair.folders:
            path.mkdir(exist_ok=True)
        for file, (_, after) in repair.texts.items():
            _replace(file, after.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise RepositoryError(
            f"cannot repair '{error.filename}': {error.strerror}", "see --diff for what to change"
        ) from None


def repair_all(report: Report, paths: Sequence[Path], settings: Settings) -> tuple[Repair, Report]:
    """All repairs of all rounds, as one repair of the files as they are: nothing is written.

    One repair may uncover another fault, so the repaired texts are judged again until nothing is
    left to repair. Returns the repair and the report on what it leaves. `--diff` shows it, `--fix`
    writes it.
    """
    draft = settings.draft
    fixed: list[Finding] = []
    whole: dict[Path, tuple[str, str]] = {}
    folders: dict[Path, None] = {}
    for _ in range(_ROUNDS):
        repair = plan_repair(report.findings, draft)
        if not repair.fixed:
            break
        fixed += repair.fixed
        folders.update(dict.fromkeys(repair.folders))
        for file, (before, after) in repair.texts.items():
            whole[file] = (whole[file][0] if file in whole else before, after)
        texts = {**draft.texts, **{file: after for file, (_, after) in repair.texts.items()}}
        draft = Draft(texts, draft.folders | {*repair.folders})
        report = validate(paths, msgspec.structs.replace(settings, draft=draft))
    return Repair(whole, tuple(folders), tuple(fixed)), report


def _replace(file: Path, content: bytes) -> None:
    target = file.resolve()  # a link stays a link
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".trtbuild-")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            os.fchmod(opened.fileno(), target.stat().st_mode)
            os.fsync(opened.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
