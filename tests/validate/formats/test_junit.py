"""The JUnit report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from tests.validate.formats.reports import report
from trtbuild.validate.formats.junit import render


def test_is_xml_with_a_failure_for_each_error_and_warning(tmp_path: Path) -> None:
    made = report(tmp_path)
    suite = ET.fromstring(render(made).encode())
    assert suite.get("tests") == "4"
    failures = suite.findall("testcase/failure")
    assert len(failures) == sum(f.level >= 2 for f in made.findings)
    assert {case.get("name") for case in suite} >= {"a,b:c%", "b"}
    assert int(suite.get("failures") or 0) == len(
        [c for c in suite if c.find("failure") is not None]
    )
