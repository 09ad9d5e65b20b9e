"""Foreign text becomes harmless and stays readable."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.printable import block, json_text, line, printable

_ANY = st.text(st.characters(exclude_categories=[]), max_size=40)


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("conv1/weights:0", "conv1/weights:0"),
        ("gr\u00fc\u00dfe \u4f60\u597d", "gr\u00fc\u00dfe \u4f60\u597d"),
        ("a\tb", "a\tb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\nb", r"a\r\nb"),
        ("\x9b2J", r"\x9b2J"),  # CSI in one character
        ("a\u2028b\x85c\x0bd", r"a\u2028b\x85c\x0bd"),  # what ends lines for some
        ("\u202egpj.exe", r"\u202egpj.exe"),  # written from right to left
        ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),  # without a width
        ("\ud83d", r"\ud83d"),  # half a character
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_is_shown(given_: str, shown: str) -> None:
    assert printable(given_) == shown


@given(_ANY)
def test_nothing_else_comes_through(text: str) -> None:
    assert printable(text).replace("\t", "").isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("  ::set-env name=A::b", r"  \x3a:set-env name=A::b"),
        ("a ##[error]x", r"a \x23#[error]x"),
        ("std::vector", "std::vector"),
        ("a: b", "a: b"),
        ("# x", "# x"),
    ],
)
def test_commands_to_github(given_: str, shown: str) -> None:
    assert line(given_) == shown


def test_lines_of_ours_are_told_from_others() -> None:
    assert block("error: a\nerror: b\n  c\n::warning::d\x1b") == (
        "error: a\n  error: b\n  c\n  \\x3a:warning::d\\x1b"
    )
    assert block("") == ""


@given(st.dictionaries(_ANY.filter(lambda text: text.isprintable()), st.text(max_size=20)))
def test_json_stays_the_same(value: dict[str, str]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    made = json_text(text)
    assert json.loads(made) == value
    assert made.replace("\n", "").replace("\t", "").isprintable()


def test_json_that_is_indented_keeps_its_lines() -> None:
    made = json_text('{\n  "a": "\x9b\u202e\U000e0041"\n}')
    assert made == '{\n  "a": "\\u009b\\u202e\\udb40\\udc41"\n}'
    assert json.loads(made) == {"a": "\x9b\u202e\U000e0041"}
    assert json.loads(json_text('["##[error]", "###["]')) == ["##[error]", "###["]
    assert "##[" not in json_text('["##[error]", "###["]')
