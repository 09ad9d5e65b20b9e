"""The SARIF report, against the schema of SARIF 2.1.0 itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.validate.formats.reports import report
from trtbuild.validate.codes import RULES
from trtbuild.validate.formats.sarif import render
from trtbuild.validate.run import Report

SCHEMA = json.loads((Path(__file__).parents[1] / "data/sarif-schema-2.1.0.json").read_text())


def check(value: Any) -> None:
    jsonschema.Draft4Validator(SCHEMA).validate(value)


def test_passes_the_schema(tmp_path: Path) -> None:
    value = json.loads(render(report(tmp_path)))
    check(value)
    (run,) = value["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_an_empty_report_passes_too() -> None:
    check(json.loads(render(Report((), 0))))


def test_the_schema_refuses_what_is_wrong(tmp_path: Path) -> None:
    value = json.loads(render(report(tmp_path)))
    value["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        check(value)


def test_places_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = json.loads(render(report(Path("models"))))
    result = next(r for r in value["runs"][0]["results"] if r["ruleId"] == "I013")
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "models/a%2Cb%3Ac%25/config.pbtxt"
    assert location["region"] == {"startLine": 2, "startColumn": 17, "endColumn": 19}
