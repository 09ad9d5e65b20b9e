r"""The tokens of protobuf's text format, as C++ protobuf reads them.

Source: protobuf's `io/tokenizer.cc` and `text_format.cc`, whose behaviour was compared with
protobuf C++ 3.21 and with a running tritonserver 2.51. What is particular to C++:

- Comments start with `#` only and end with the line. NUL ends everything, so it is never valid.
- Strings end on their line; `\x` takes one or two digits, `\X` is unknown, `\777` is byte 0xff.
- A number ends where neither letter, digit nor `.` follows: `8name` is an error, `"a"name` is not.
- `1f`, `1.` and `.5` are floats, `010` is eight, `08` is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SPACE = r"[ \t\r\n\v\f]*"
NAME = r"[A-Za-z_][0-9A-Za-z_]*"
# A number or an identifier, or what is neither but stands there without a gap (`8name`, `1.2.3`):
# which of them it is, the field's type tells (`values.py`).
ATOM = rf"(?:-{SPACE})?[0-9A-Za-z_.]+(?:(?<=[eE])[+-][0-9A-Za-z_.]*)?"
PLAIN = r"""(?:"[^"\\\n]*"|'[^'\\\n]*')"""  # a literal without escapes

space = re.compile(SPACE).match
name = re.compile(NAME).match
atom = re.compile(rf"{SPACE}({ATOM})").match
separator = re.compile(rf"{SPACE}[;,]?").match
# One element of a list, and what may follow it.
element = re.compile(rf"""{SPACE}(?:({ATOM})|(["'])|([{{<]))""").match
after_element = re.compile(rf"{SPACE}([],])").match

# The groups of `statement`; a match's `lastindex` says which form it is.
END, FIELD, VALUE, PLAIN_TEXT, TEXT, BRACKET, VALUES, OPEN, LIST = range(1, 10)
ELEMENT_FORMS = (0, VALUE, TEXT, OPEN)  # the forms of the groups of `element`
# One statement of a message: the message's end, or a field with its value. A separator belongs
# to it, except behind texts with escapes or in pieces, behind messages and long lists: these are
# read in parts. All repeats of groups are bounded, as each turn costs `re` a kilobyte of memory.
statement = re.compile(
    rf"""{SPACE}(?:
      ([}}>]|\Z)
    | ({NAME}){SPACE}(?:
        :{SPACE}(?:
          ({ATOM}){SPACE}[;,]?
        | ({PLAIN}){SPACE}(?![ \t\r\n\v\f"'])[;,]?
        | (["'])
        | (\[){SPACE}({ATOM}(?:{SPACE},{SPACE}{ATOM}){{0,31}}){SPACE}\]{SPACE}[;,]?
        )
      | (?: :{SPACE} )?(?: ([{{<]) | (\[) )
      )
    )""",
    re.VERBOSE,
).match

# The pieces of a literal: up to a hundred escapes at once.
_BODIES = {
    quote: re.compile(rf"[^{quote}\\\n]*(?:\\.[^{quote}\\\n]*){{0,99}}").match for quote in "\"'"
}
_comment_or_quote = re.compile("[#\"']").search
_token = re.compile(rf"""[{{}}<>"']|{NAME}""").search


def literal_end(text: str, start: int) -> int:
    """Where the literal that opens at `start` ends; -1 where it is not closed on its line."""
    quote = text[start]
    body, end = _BODIES[quote], start + 1
    while True:
        piece = body(text, end)
        assert piece is not None  # it takes the empty text
        if piece.end() == end or text[piece.end() : piece.end() + 1] != "\\":
            break
        end = piece.end()
    return piece.end() + 1 if text[piece.end() : piece.end() + 1] == quote else -1


def comments(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each comment, found also where the text is no valid config."""
    pos = 0
    while (match := _comment_or_quote(text, pos)) is not None:
        if match[0] == "#":
            end = text.find("\n", match.start())
            pos = len(text) if end < 0 else end
            yield match.start(), pos
        else:
            pos = max(literal_end(text, match.start()), match.end())


def tokens(text: str) -> Iterator[re.Match[str]]:
    """The names and braces of `text`, which has no comments; no literals."""
    pos = 0
    while (match := _token(text, pos)) is not None:
        pos = match.end()
        if match[0] in "\"'":
            pos = max(literal_end(text, match.start()), pos)
        else:
            yield match


def without_comments(text: str) -> str:
    """`text` with spaces in the place of comments, so that every offset stays."""
    if "#" not in text:
        return text
    parts: list[str] = []
    pos = 0
    for start, end in comments(text):
        parts += text[pos:start], " " * (end - start)
        pos = end
    return "".join((*parts, text[pos:]))


def shown(word: str) -> str:
    """`word` as a message repeats it: on one line, cut where it is long."""
    word = word if len(word) <= 60 else word[:60] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in word)


_ESCAPE = re.compile(
    rb"\\(?:([abfnrtv\\?'\"])"
    rb"|([0-7]{1,3})"
    rb"|x([0-9A-Fa-f]{1,2})"
    rb"|u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|u([0-9A-Fa-f]{4})"
    rb"|U00([01][0-9A-Fa-f]{5})"
    rb"|(.?))",
    re.DOTALL,
)
_SIMPLE = dict(zip(b"abfnrtv\\?'\"", b"\a\b\f\n\r\t\v\\?'\"", strict=True))


def unescape(body: bytes) -> bytes:
    """The bytes that a literal's `body`, without its quotes, stands for.

    They need not be UTF-8: C++ checks that nowhere. Raises `ValueError` with the escape that
    is none.
    """
    return _ESCAPE.sub(_unescaped, body) if b"\\" in body else body


def _unescaped(escape: re.Match[bytes]) -> bytes:
    simple, octal, hexadecimal, head, trail, short, long, wrong = escape.groups()
    if simple is not None:
        return bytes([_SIMPLE[simple[0]]])
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])  # as C++ narrows it
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if wrong is not None:
        raise ValueError(escape[0].decode(errors="replace"))
    if head is not None:
        return _utf8(0x10000 + ((int(head, 16) - 0xD800) << 10) + int(trail, 16) - 0xDC00)
    return _utf8(int(short if short is not None else long, 16))


def _utf8(code_point: int) -> bytes:
    if code_point <= 0x10FFFF:
        return chr(code_point).encode("utf-8", "surrogatepass")
    # Up to 0x1fffff C++ writes four bytes that are no UTF-8, as it does with lone surrogates.
    return bytes([0xF0 | code_point >> 18] + [0x80 | code_point >> s & 0x3F for s in (12, 6, 0)])
