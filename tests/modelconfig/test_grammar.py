"""Tokens: comments, literals, escapes."""

import pytest

from trtbuild.modelconfig import grammar


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (rb"plain", b"plain"),
        (rb"\a\b\f\n\r\t\v\\\?\'\"", b"\a\b\f\n\r\t\v\\?'\""),
        (rb"\1\101\1011", b"\x01AA1"),
        (rb"\777", b"\xff"),
        (rb"\x4\x41\x411", b"\x04AA1"),
        (rb"\u00e9", "é".encode()),
        (rb"\U0001F600", "😀".encode()),
        (rb"\ud83d\ude00", "😀".encode()),
        (rb"\u0041\ud83d\ude00", "A😀".encode()),
        (rb"\ud83dx", b"\xed\xa0\xbdx"),
        (rb"\U00110000", b"\xf4\x90\x80\x80"),
        (rb"\U001fffff", b"\xf7\xbf\xbf\xbf"),
    ],
)
def test_escapes_are_those_of_cpp(body: bytes, content: bytes) -> None:
    assert grammar.unescape(body) == content


@pytest.mark.parametrize(
    "escape", [r"\c", r"\8", r"\X", r"\x", r"\u", r"\U", r"\u12", r"\U00200000", r"\é"]
)
def test_refuses_what_is_no_escape(escape: str) -> None:
    with pytest.raises(ValueError, match=r"^\\"):
        grammar.unescape(escape.encode())


def test_finds_comments_but_not_in_texts() -> None:
    text = "a # one\nb: \"# no\" # two '\nc: '\\'# no' # three"
    found = [text[start:end] for start, end in grammar.comments(text)]
    assert found == ["# one", "# two '", "# three"]


def test_without_comments_keeps_every_offset() -> None:
    text = 'a: 1 # one "\r\nb: "#" # é\n#'
    blank = grammar.without_comments(text)
    assert blank == 'a: 1         \nb: "#"    \n '
    assert len(blank) == len(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('"a" b', 3),
        ('"\\""', 4),
        ('"' + "\\n" * 250 + '" ', 502),
        ('"a', -1),
        ('"a\n"', -1),
        ('"a\\\n"', -1),
        ('"' + "\\n" * 250, -1),
        ('"\\', -1),
    ],
)
def test_literals_end_on_their_line(text: str, end: int) -> None:
    assert grammar.literal_end(text, 0) == end


def test_shown_words_are_short_and_printable() -> None:
    assert grammar.shown("a\x01\n" + "b" * 100) == r"a\x01\n" + "b" * 57 + "..."
