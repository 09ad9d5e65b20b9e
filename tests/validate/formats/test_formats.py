"""The table of formats."""

from __future__ import annotations

from trtbuild.registry import load
from trtbuild.validate.formats import FORMATS
from trtbuild.validate.run import Report


def test_every_line_of_the_table_renders_an_empty_report() -> None:
    for reference in FORMATS.values():
        assert isinstance(load(reference)(Report((), 0)), str)
