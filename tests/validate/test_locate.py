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


LISTS = """input [
  { name: "a" },  # one
  <
    name: "b" >
]
cc_model_filenames: # [ no list yet
[ { key: "8.6" value: "x" }
, { key: "8.9" value: "y" } ]
output # [ no list
  { name: "c" }
ensemble_scheduling { step [
  { model_name: "m"
    input_map [
      { key: "a" value: "a" } ] } ]
}
"""


@pytest.mark.parametrize(
    ("at", "line", "column", "end"),
    [
        (("input",), 1, 1, 8),
        (("input", 0), 2, 3, 16),
        (("input", 1), 3, 3, 4),
        (("input", 1, "name"), 4, 11, 14),
        (("input", 1, "dims"), 3, 3, 0),
        (("cc_model_filenames", "8.9"), 8, 3, 28),
        (("output", 0), 9, 1, 19),
        (("ensemble_scheduling", "step", 0), 12, 3, 20),
        (("ensemble_scheduling", "step", 0, "input_map", "a"), 14, 7, 30),
    ],
)
def test_an_element_of_a_list_is_where_it_begins(
    tmp_path: Path, at: FieldPath, line: int, column: int, end: int
) -> None:
    found = located(opened(tmp_path, LISTS), Finding(message="m", at=at), load_rule("I001"))
    assert (found.line, found.column, found.end_column) == (line, column, end)


def test_another_file_has_no_line_of_the_config(tmp_path: Path) -> None:
    finding = Finding(message="m", file=tmp_path, severity=Severity.INFO)
    found = located(opened(tmp_path, TEXT), finding, load_rule("I001"))
    assert (found.file, found.line, found.source, found.level) == (tmp_path, 0, "", Severity.INFO)
