"""Pages of rules, and docs/rules.md, which is printed from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.errors import UsageError
from trtbuild.validate.codes import RULES
from trtbuild.validate.explain import FAMILIES, check_selection, listing, markdown, page, rule_of

DOCS = Path(__file__).parents[2] / "docs/rules.md"


def test_the_docs_are_what_the_rules_say() -> None:
    assert DOCS.read_text() == markdown(), "python -m trtbuild.validate.explain > docs/rules.md"


def test_every_rule_has_a_family_and_a_line() -> None:
    assert {code[0] for code in RULES} == set(FAMILIES)
    assert [line.split()[0] for line in listing().splitlines()] == list(RULES)


@pytest.mark.parametrize("word", ["L002", "l002", "latest-selects-none"])
def test_a_rule_is_found_by_code_and_name(word: str) -> None:
    shown = page(rule_of(word))
    assert shown.startswith("L002 latest-selects-none (error)\n")
    for section in ("What:", "Why:", "Example:", "Instead:", "Source:"):
        assert f"\n{section}" in shown


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no rule is called 'latest-select'; near it are latest"):
        rule_of("latest-select")


def test_selections_are_checked() -> None:
    assert check_selection("--select", ("L", "l00", "negative-gpu")) == ("L", "l00", "negative-gpu")
    with pytest.raises(UsageError, match="--select 'Q1' is no code"):
        check_selection("--select", ("Q1",))
