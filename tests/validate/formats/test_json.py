"""The JSON report."""

from __future__ import annotations

import json
from pathlib import Path

from tests.validate.formats.reports import report
from trtbuild.validate.formats.json import render


def test_holds_every_finding_with_its_place(tmp_path: Path) -> None:
    made = report(tmp_path)
    value = json.loads(render(made))
    assert value["models"] == 4
    assert value["counts"]["error"] == sum(f["severity"] == "error" for f in value["findings"])
    assert len(value["findings"]) == len(made.findings)
    first = next(f for f in value["findings"] if f["code"] == "I013")
    assert (first["line"], first["column"], first["name"]) == (2, 17, "negative-max-batch-size")
    assert first["file"].endswith("a,b:c%/config.pbtxt")
