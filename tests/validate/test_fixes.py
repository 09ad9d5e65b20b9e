"""Edits that repairs are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.opened import opened
from trtbuild.validate.apply import edited
from trtbuild.validate.finding import Edit, Fix
from trtbuild.validate.fixes import add_line, quote, remove_field, replace_value, set_field
from trtbuild.validate.model import Model


def applied(model: Model, fix: Fix) -> str:
    return edited(model.document.text, [step for step in fix if isinstance(step, Edit)])


def test_quote() -> None:
    assert quote('a"\\\n') == '"a\\"\\\\\\n"'


def test_replace_value(tmp_path: Path) -> None:
    model = opened(tmp_path, 'name: "a"  # b\n')
    assert applied(model, replace_value(model, ("name",), '"c"')) == 'name: "c"  # b\n'
    assert replace_value(model, ("backend",), '"c"') == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name: "a"\nbackend: "b"\n', 'name: "a"\n'),
        ('name: "a" backend: "b"; max_batch_size: 1\n', 'name: "a" max_batch_size: 1\n'),
        ('  backend: "b" # why\n', "  # why\n"),
        ('backend: "b"', ""),
    ],
)
def test_remove_a_scalar(tmp_path: Path, text: str, expected: str) -> None:
    model = opened(tmp_path, text)
    assert applied(model, remove_field(model, ("backend",))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "instance_group { count: 1 }\ninstance_group { count: 2 }\n",
        "instance_group [ { count: 1 }, { count: 2 } ]\n",
        "instance_group: [\n  { count: 1 },\n  { count: 2 }\n]\n",
        "instance_group [ { count: 1 } ]\n",
        "instance_group <count: 1>,\n",
        "instance_group []\n",
    ],
)
def test_remove_a_repeated_message_in_every_form(tmp_path: Path, text: str) -> None:
    model = opened(tmp_path, f'backend: "b"\n{text}max_batch_size: 1\n')
    fixed = applied(model, remove_field(model, ("instance_group",)))
    assert fixed == 'backend: "b"\nmax_batch_size: 1\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version_policy { latest { } }", "version_policy { latest { num_versions: 1 } }"),
        ("version_policy { latest {} }", "version_policy { latest { num_versions: 1} }"),
        (
            "version_policy {\n  latest {\n  }\n}",
            "version_policy {\n  latest {\n  num_versions: 1\n  }\n}",
        ),
        (
            "version_policy { latest { num_versions: 0 } }",
            "version_policy { latest { num_versions: 1 } }",
        ),
        ("version_policy < latest <> >", "version_policy < latest < num_versions: 1> >"),
    ],
)
def test_set_a_field_of_a_message(tmp_path: Path, text: str, expected: str) -> None:
    model = opened(tmp_path, text)
    fix = set_field(model, ("version_policy", "latest"), "num_versions", "1")
    assert applied(model, fix) == expected


def test_add_a_line_before_the_first_field(tmp_path: Path) -> None:
    model = opened(tmp_path, "# head\n\nmax_batch_size: 1\n")
    added = applied(model, add_line(model, 'platform: "ensemble"'))
    assert added == '# head\n\nplatform: "ensemble"\nmax_batch_size: 1\n'


@pytest.mark.parametrize(
    "text",
    [
        "instance_group [ { count: 1 }, # one\n { count: 2 } ]\n",
        "instance_group [ { count: 1 }, { count: 2 } # two\n ]\n",
        "instance_group { # one\n count: 1 }\n",
        "instance_group { count: 1 }\ninstance_group [ { count: 2 } # ] two\n ]\n",
        "instance_group # [ one\n { count: 1 }\n",
    ],
)
def test_what_holds_a_comment_is_not_removed(tmp_path: Path, text: str) -> None:
    assert remove_field(opened(tmp_path, text), ("instance_group",)) == ()


def test_what_holds_a_comment_is_not_replaced(tmp_path: Path) -> None:
    text = 'name: "a" # one\n "b" # two\nbackend: "# no comment" # one\n'
    model = opened(tmp_path, text)
    assert replace_value(model, ("name",), '"c"') == ()
    fixed = applied(model, replace_value(model, ("backend",), '"c"'))
    assert fixed == text.replace('"# no comment"', '"c"')


def test_a_second_list_is_removed_whole(tmp_path: Path) -> None:
    text = "instance_group { count: 1 }\ninstance_group [ { count: 2 }, { count: 3 } ] # and\n"
    model = opened(tmp_path, f'backend: "b"\n{text}')
    fixed = applied(model, remove_field(model, ("instance_group",)))
    assert fixed == 'backend: "b"\n# and\n'


def test_a_field_that_cannot_be_replaced_is_not_set_a_second_time(tmp_path: Path) -> None:
    model = opened(tmp_path, "version_policy { latest { num_versions: # none\n 0 } }")
    assert set_field(model, ("version_policy", "latest"), "num_versions", "1") != ()
    text = "sequence_batching { direct { minimum_slot_utilization: - # c\n 1 } }"
    model = opened(tmp_path / "b", text)
    at = ("sequence_batching", "direct")
    assert set_field(model, at, "minimum_slot_utilization", "1") == ()
