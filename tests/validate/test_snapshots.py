"""The text report on every rule's example, as one file to read and to compare."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.codes import RULES
from trtbuild.validate.formats.text import render
from trtbuild.validate.rule import load_rule
from trtbuild.validate.run import Report

SNAPSHOTS = Path(__file__).with_name("data") / "snapshots.txt"


def test_reports_on_all_examples(judge: Judge, tmp_path: Path) -> None:
    parts = []
    for code in RULES:
        findings = judge(load_rule(code).section("Example"))
        shown = render(Report(findings, len({finding.model for finding in findings})))
        roots = sorted((str(path) for path in tmp_path.iterdir()), key=len, reverse=True)
        for root in roots:
            shown = shown.replace(root, "repository")
        parts.append(f"=== {code}\n{shown}")
    text = "".join(parts)
    if os.environ.get("TRTBUILD_UPDATE"):
        SNAPSHOTS.write_text(text)
        pytest.skip("snapshots written")
    assert text == SNAPSHOTS.read_text()
