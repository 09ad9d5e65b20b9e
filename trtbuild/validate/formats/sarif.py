"""The report as SARIF 2.1.0, which code-scanning services read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from trtbuild import __version__
from trtbuild.printable import printable
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.rule import Rule, all_rules
from trtbuild.validate.run import Report

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report) -> str:
    """One run with every rule and every finding."""
    rules = all_rules()
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    driver = {
        "name": "trtbuild",
        "version": __version__,
        "rules": [_rule(rule) for rule in rules],
    }
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, numbers) for finding in report.findings],
            }
        ],
    }
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.section("Why")},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    text = f"{finding.message}. {finding.hint}" if finding.hint else finding.message
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line:
        region = {"startLine": finding.line, "startColumn": max(1, finding.column)}
        if finding.end_column > finding.column:
            region["endColumn"] = finding.end_column
        location["region"] = region
    return {
        "ruleId": finding.code,
        "ruleIndex": numbers[finding.code],
        "level": _LEVELS[finding.level],
        "message": {"text": printable(text)},
        "locations": [
            {
                "physicalLocation": location,
                "logicalLocations": [{"name": printable(finding.model), "kind": "module"}],
            }
        ],
    }


def _uri(path: Path | None) -> str:
    """Relative paths stay relative: services resolve them against the checkout."""
    text = str(path).encode("utf-8", "surrogateescape")
    return f"file://{quote(text)}" if path is not None and path.is_absolute() else quote(text)
