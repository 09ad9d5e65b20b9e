"""The report as annotations of GitHub Actions: one workflow command a finding.

Source: GitHub, workflow commands: `%`, CR and LF are escaped; in properties `:` and `,` too.
"""

from __future__ import annotations

from trtbuild.printable import printable
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import Report

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """All annotations."""
    return "".join(_command(finding) + "\n" for finding in report.findings)


def _command(finding: Finding) -> str:
    properties = {"file": printable(str(finding.file)), "title": f"{finding.code} {finding.name}"}
    if finding.line:
        properties |= {"line": str(finding.line), "col": str(max(1, finding.column))}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    text = f"{finding.message}. {finding.hint}" if finding.hint else finding.message
    return f"::{_COMMANDS[finding.level]} {listed}::{_data(printable(text))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
