"""From a rule's finding to one with code, severity, file, line, column and the line's text."""

from __future__ import annotations

from typing import Any

import msgspec

from trtbuild.validate.finding import Finding
from trtbuild.validate.model import Model
from trtbuild.validate.places import path_text
from trtbuild.validate.rule import Rule


def located(model: Model, finding: Finding, rule: Rule) -> Finding:
    """`finding` with all that the rule need not know."""
    fields: dict[str, Any] = {
        "code": rule.code,
        "name": rule.name,
        "model": model.name,
        "severity": rule.severity if finding.severity is None else finding.severity,
        "file": finding.file or model.path,
    }
    if finding.file is None and not finding.line and (finding.at or finding.offset is not None):
        fields |= _place(model, finding)
    if finding.file is None and not finding.source:
        fields["source"] = _line(model, fields.get("line", finding.line))
    return msgspec.structs.replace(finding, **fields)


def _place(model: Model, finding: Finding) -> dict[str, int]:
    document = model.document
    if finding.offset is not None:
        place = document.lines.place(finding.offset)
        return {"line": place.line, "column": place.column}
    path = path_text(finding.at)
    span = document.span(path)
    if span is None:  # a field that is not written: the message around it
        place = document.place(path)
        return {"line": place.line, "column": place.column}
    # A message's value begins at its brace; its name is what people look for.
    start = (
        span.name if document.text[span.value : span.value + 1] in ("{", "<", "[") else span.value
    )
    place = document.lines.place(start)
    end = document.text.find("\n", start, span.end)
    width = (span.end if end < 0 else end) - start
    return {"line": place.line, "column": place.column, "end_column": place.column + width}


def _line(model: Model, line: int) -> str:
    return model.lines[line - 1].rstrip("\r") if 1 <= line <= len(model.lines) else ""
