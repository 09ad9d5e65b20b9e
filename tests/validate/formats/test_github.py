"""Annotations of GitHub Actions."""

from __future__ import annotations

import re
from pathlib import Path

from tests.validate.formats.reports import report
from trtbuild.validate.formats.github import render


def test_one_command_a_finding_with_everything_escaped(tmp_path: Path) -> None:
    made = report(tmp_path)
    lines = render(made).splitlines()
    assert len(lines) == len(made.findings)
    for line in lines:
        assert re.fullmatch(
            r"::(error|warning|notice) file=[^,:]*,title=[^,:]*(,line=\d+,col=\d+)?::.+", line
        )
    assert any("a%2Cb%3Ac%25/config.pbtxt" in line for line in lines)
