"""The table of rules is whole: each has two fixtures, a snapshot, a page and a source.

That the fixtures show what they say is held by test_rules.py (by us and by Triton), the snapshots
by test_snapshots.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.validate.files import files_of
from trtbuild.validate.codes import RULES
from trtbuild.validate.finding import Severity
from trtbuild.validate.rule import all_rules

ROOT = Path(__file__).parents[2]
SNAPSHOTS = (ROOT / "tests/validate/data/snapshots.txt").read_text()
# Where the server decides it: a file of its sources or of a library that it calls.
SOURCE_FILE = re.compile(r"\b[\w/]+\.(cc|h|proto|py)\b")


def test_every_module_of_rules_is_in_the_table_once() -> None:
    folder = ROOT / "trtbuild/validate/rules"
    there = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if "\nNAME = " in path.read_text()
    }
    assert sorted(RULES.values()) == sorted(there)


def test_every_rule_has_a_bad_and_a_good_fixture() -> None:
    for rule in all_rules():
        bad, good = rule.section("Example"), rule.section("Instead")
        assert files_of(bad), rule.code
        assert files_of(good), rule.code
        assert bad != good, rule.code


def test_every_rule_has_a_snapshot_with_its_finding() -> None:
    shown = dict(re.findall(r"^=== (\w+)\n(.*?)(?=^===|\Z)", SNAPSHOTS, re.MULTILINE | re.DOTALL))
    assert list(shown) == list(RULES)
    for rule in all_rules():
        assert f"  {rule.severity} {rule.code} {rule.name}: " in shown[rule.code]


def test_every_rule_is_explained_in_the_docs() -> None:
    page = (ROOT / "docs/rules.md").read_text()
    for rule in all_rules():
        assert f"| {rule.severity} | `{rule.name}` |" in page


def test_every_error_cites_where_the_server_decides_it() -> None:
    for rule in all_rules():
        if rule.severity == Severity.ERROR:
            assert SOURCE_FILE.search(rule.section("Source")), rule.code
