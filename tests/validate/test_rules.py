"""Every rule by the two configs in its docstring: the bad one has the finding, the good one none.

The same two go to a real tritonserver, which refuses what we call an error and loads the rest.
"""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from tests.validate.files import files_of, options_of
from tests.validate.oracle.compare import known, newer_than_the_oracle
from tests.validate.oracle.server import Triton, Verdict
from trtbuild.validate.codes import RULES
from trtbuild.validate.finding import Severity
from trtbuild.validate.rule import SECTIONS, Rule, load_rule

ALL = [load_rule(code) for code in RULES]


def by_code(rule: Rule) -> str:
    return rule.code


@pytest.mark.parametrize("rule", ALL, ids=by_code)
def test_says_all_that_explain_prints(rule: Rule) -> None:
    assert rule.title
    for section in SECTIONS:
        assert rule.section(section), f"{rule.code} has no section {section}"
    assert rule.name == rule.name.lower()


def test_names_are_unique() -> None:
    assert len({rule.name for rule in ALL}) == len(ALL)


@pytest.mark.parametrize("rule", ALL, ids=by_code)
def test_example_has_the_finding(rule: Rule, judge: Judge) -> None:
    found = judge(rule.section("Example"))
    assert rule.code in {finding.code for finding in found}
    assert all(f.severity == rule.severity for f in found if f.code == rule.code)
    for finding in found:
        assert finding.message
        assert not finding.source or 1 <= finding.column <= len(finding.source) + 1


@pytest.mark.parametrize("rule", ALL, ids=by_code)
def test_instead_is_clean(rule: Rule, judge: Judge) -> None:
    found = judge(rule.section("Instead"))
    assert [f for f in found if f.level >= Severity.WARNING or f.code == rule.code] == []


def oracle_files(text: str, *, python: bool) -> tuple[dict[str, bytes], str]:
    """The example for the oracle, with the stand-in for the (slow) Python backend."""
    files = files_of(text)
    if not python:
        for path in [path for path in files if path.endswith(".pbtxt")]:
            files[path] = files[path].replace(b'"python"', b'"identity"')
    names = {path.split("/")[0] for path in files}
    return files, "demo" if "demo" in names else sorted(names)[0]


def loads(verdict: Verdict, files: dict[str, bytes]) -> bool:
    # libprotobuf's line, which names the field, may come to the log behind the verdict's.
    later = any(b"model_metrics" in content for content in files.values())
    later = later or newer_than_the_oracle(verdict.message, files)
    return verdict.accepted or verdict.backend_absent or later


@pytest.mark.parametrize(
    "rule", [r for r in ALL if not options_of(r.section("Example"))], ids=by_code
)
def test_triton_agrees_on_the_example(rule: Rule, triton: Triton) -> None:
    files, name = oracle_files(rule.section("Example"), python=rule.code.startswith("Y"))
    if any(" -> " in path or name != name.strip() for path in files):
        pytest.skip("not a name that a request can hold")
    verdict = triton.judge(files, name)
    if rule.severity < Severity.ERROR:
        assert loads(verdict, files), verdict.message
    elif not known(rule.code):
        assert not verdict.accepted


@pytest.mark.parametrize(
    "rule", [r for r in ALL if not options_of(r.section("Instead"))], ids=by_code
)
def test_triton_loads_the_good_one(rule: Rule, triton: Triton) -> None:
    files, name = oracle_files(rule.section("Instead"), python=rule.code == "Y001")
    verdict = triton.judge(files, name)
    assert loads(verdict, files), verdict.message
