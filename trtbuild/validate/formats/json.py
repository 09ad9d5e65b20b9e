"""The report for programs: one JSON object."""

from __future__ import annotations

from typing import Any

import msgspec

from trtbuild.printable import printable
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import Report


def render(report: Report) -> str:
    """`{"models", "counts", "findings": [{"code", "severity", "file", "line", ...}]}`."""
    value = {
        "models": report.models,
        "counts": {str(severity): report.count(severity) for severity in Severity},
        "findings": [as_dict(finding) for finding in report.findings],
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def as_dict(finding: Finding) -> dict[str, Any]:
    """A finding's public fields; line and column are 0 where it is about a whole file."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.level),
        "model": printable(finding.model),
        "file": printable(str(finding.file)),
        "line": finding.line,
        "column": finding.column,
        "message": printable(finding.message),
        "hint": printable(finding.hint),
        "fixable": bool(finding.fix),
    }
