"""Rules as modules: their names, sections, and how they are chosen."""

from __future__ import annotations

import pytest

from trtbuild.validate.rule import all_rules, load_rule, matches


def test_sections_lose_their_indentation() -> None:
    rule = load_rule("L002")
    assert rule.title == "`latest` without a number of versions selects none"
    assert rule.section("Example") == 'backend: "python"\nversion_policy: { latest { } }'
    assert rule.section("Nothing") == ""


@pytest.mark.parametrize(
    ("words", "chosen"),
    [(("L002",), True), (("l0",), True), (("L",), True), (("latest-selects-none",), True),
     (("E", "latest"), False), ((), False)],
)  # fmt: skip
def test_chosen_by_code_beginning_or_name(words: tuple[str, ...], chosen: bool) -> None:
    assert matches(load_rule("L002"), words) is chosen


def test_what_is_needed_is_a_field_of_the_config() -> None:
    from trtbuild.modelconfig.schema import schema

    fields = schema().ModelConfig.DESCRIPTOR.fields_by_name
    assert all(rule.needs in fields for rule in all_rules() if rule.needs)


def test_an_unknown_code() -> None:
    with pytest.raises(KeyError):
        load_rule("X999")
