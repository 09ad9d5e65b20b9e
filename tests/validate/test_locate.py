"""From field paths to places in the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.opened import opened
from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.locate import located
from trtbuild.validate.rule import load_rule

TEXT = """backend: "b"
input {
  name: "a"
  dims: [ 1, 2 ]
}
parameters { key: "k" value { string_value: "v" } }
"""


@pytest.mark.parametrize(
    ("at", "line", "column", "end"),
    [
        (("backend",), 1, 10, 13),
        (("input", 0), 2, 1, 8),
        (("input", 0, "dims", 1), 4, 14, 15),
        (("input", 0, "data_type"), 2, 7, 0),  # not written: the message around it
        (("parameters", "k", "key"), 6, 19, 22),
        (("name",), 1, 1, 0),
    ],
)
def test_places(tmp_path: Path, at: FieldPath, line: int, column: int, end: int) -> None:
    found = located(opened(tmp_path, TEXT), Finding(message="m", at=at), load_rule("I001"))
    assert (found.line, found.column, found.end_column) == (line, column, end)
    assert found.source == TEXT.split("\n")[line - 1]
    assert (found.code, found.model, found.severity) == ("I001", "demo", Severity.ERROR)


def test_another_file_has_no_line_of_the_config(tmp_path: Path) -> None:
    finding = Finding(message="m", file=tmp_path, severity=Severity.INFO)
    found = located(opened(tmp_path, TEXT), finding, load_rule("I001"))
    assert (found.file, found.line, found.source, found.level) == (tmp_path, 0, "", Severity.INFO)
