"""The report for people: by model, with the line of the config and a caret, and a count."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TextIO

from trtbuild.printable import printable
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import Report

_COLORS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_SHOWN = 100  # characters of a source line that are shown


def in_color(stream: TextIO) -> bool:
    """Whether to colour what goes there: a terminal that can, and a user who does not object.

    Source: no-color.org, by which any value of NO_COLOR but the empty one objects.
    """
    refused = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not refused


def render(report: Report, *, color: bool = False) -> str:
    """The whole report; `color` writes ANSI colours for a terminal."""
    parts = []
    for model, findings in groupby(report.findings, key=lambda finding: finding.model):
        parts.append(_bold(model, color))
        parts += [_finding(finding, color) for finding in findings]
    parts.append(_counts(report))
    return "\n".join(parts) + "\n"


def _finding(finding: Finding, color: bool) -> str:
    place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else str(finding.file)
    level = f"\033[{_COLORS[finding.level]}m{finding.level}\033[0m" if color else finding.level
    lines = [f"  {level} {finding.code} {finding.name}: {printable(finding.message)}"]
    lines.append(f"    {printable(place)}")
    if finding.source and finding.line and finding.column:
        lines += _excerpt(finding)
    if finding.hint:
        lines.append(f"    help: {printable(finding.hint)}")
    return "\n".join(lines)


def _excerpt(finding: Finding) -> list[str]:
    number = str(finding.line)
    start = max(0, finding.column - 1 - _SHOWN // 2)  # of a long line, what is around the place
    shown = finding.source[start : start + _SHOWN]
    at = finding.column - 1 - start
    about = shown[at : max(at + 1, finding.end_column - 1 - start)]
    width = max(1, len(printable(about)))  # what is escaped is longer than it was
    indent = "".join("\t" if c == "\t" else " " * len(printable(c)) for c in shown[:at])
    return [
        f"    {number} | {printable(shown)}",
        f"    {' ' * len(number)} | {indent}{'^' * width}",
    ]


def _bold(text: str, color: bool) -> str:
    return f"\033[1m{printable(text)}\033[0m" if color else printable(text)


def _counts(report: Report) -> str:
    counts = [
        f"{(number := report.count(severity))} {severity}{'s' if number != 1 else ''}"
        for severity in (Severity.ERROR, Severity.WARNING)
    ]
    counts.append(f"{report.count(Severity.INFO)} info")
    models = f"{report.models} model{'s' if report.models != 1 else ''}"
    return f"{', '.join(counts)} in {models}"
