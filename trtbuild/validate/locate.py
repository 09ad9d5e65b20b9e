"""From a rule's finding to one with code, severity, file, line, column and the line's text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trtbuild.modelconfig import grammar
from trtbuild.validate.finding import Finding
from trtbuild.validate.model import Model
from trtbuild.validate.places import path_text
from trtbuild.validate.rule import Rule

if TYPE_CHECKING:
    from trtbuild.modelconfig.positions import Span


def located(model: Model, finding: Finding, rule: Rule) -> Finding:
    """`finding` with all that the rule need not know."""
    fields: dict[str, Any] = {
        "code": rule.code,
        "name": rule.name,
        "model": model.name,
        "severity": rule.severity if finding.severity is None else finding.severity,
        "file": finding.file or _config(model),
    }
    if finding.file is None and not finding.line and (finding.at or finding.offset is not None):
        fields |= _place(model, finding)
    if finding.file is None and not finding.source:
        fields["source"] = _line(model, fields.get("line", finding.line))
    return msgspec.structs.replace(finding, **fields)


def _config(model: Model) -> Path:
    """The config; the model's folder where there is none, as nobody can open what is not there."""
    return model.path if model.exists or model.directory is None else model.directory.path


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
    start = _start(document.text, span)
    place = document.lines.place(start)
    end = document.text.find("\n", start, span.end)
    width = (span.end if end < 0 else end) - start
    return {"line": place.line, "column": place.column, "end_column": place.column + width}


def _start(text: str, span: Span) -> int:
    """Where people look: at the value, of a message or list at its name.

    The elements of a list have only the list's name, which may stand far above: at their values.
    """
    opens = text[span.value : span.value + 1]
    if opens == "[" or (opens in ("{", "<") and not _in_list(text, span.name)):
        return span.name
    return span.value


def _in_list(text: str, start: int) -> bool:
    """Whether the field whose name stands at `start` is written as a list in brackets."""
    name = grammar.name(text, start)
    end = name.end() if name else start
    while True:
        space = grammar.space(text, end)
        end = space.end() if space else end
        if text[end] == "#":
            end = text.index("\n", end)  # which is there, as a value follows
        elif text[end] == ":":
            end += 1
        else:
            return text[end] == "["


def _line(model: Model, line: int) -> str:
    return model.lines[line - 1].rstrip("\r") if 1 <= line <= len(model.lines) else ""
