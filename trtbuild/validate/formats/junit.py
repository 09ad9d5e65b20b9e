"""The report as JUnit XML: a test case a model, failed where it has errors or warnings."""

from __future__ import annotations

from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from trtbuild.printable import printable
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import Report


def render(report: Report) -> str:
    """One suite. Models without findings are counted and have no case of their own."""
    groups = [(model, list(found)) for model, found in groupby(report.findings, lambda f: f.model)]
    failures = sum(any(f.level >= Severity.WARNING for f in found) for _, found in groups)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuite name="trtbuild repo validate" tests="{max(report.models, len(groups))}" '
        f'failures="{failures}" errors="0" skipped="0">'
    )
    for model, found in groups:
        lines.append(f'  <testcase classname="model" name={quoteattr(printable(model))}>')
        lines += [_element(finding) for finding in found]
        lines.append("  </testcase>")
    return "\n".join([*lines, "</testsuite>"]) + "\n"


def _element(finding: Finding) -> str:
    place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
    text = escape(printable(f"{finding.level} {place}: {finding.message}. {finding.hint}"))
    if finding.level < Severity.WARNING:
        return f"    <system-out>{text}</system-out>"
    message = quoteattr(printable(finding.message))
    return f'    <failure type="{finding.code}" message={message}>{text}</failure>'
