"""Foreign text as text: the one place where what could act on its reader becomes harmless.

Names, messages and locations come from models, locks, configs, clients and frameworks. What they
hold besides letters moves a terminal's cursor, changes its title or its clipboard, begins a line of
a log that nobody wrote, hides what stands there (Unicode's directions), or commands a CI.
"""

from __future__ import annotations

import re

# GitHub's runner takes these for commands in whatever a step prints, the second kind anywhere.
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)")


def printable(text: str) -> str:
    r"""`text` in one line, with `\x1b` for an escape: all but letters, marks and plain spaces."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def line(text: str) -> str:
    """`printable`, for a line that is printed: it is no command to a CI either."""
    return _COMMAND.sub(_uncommanded, printable(text))


def _uncommanded(found: re.Match[str]) -> str:
    return "\\x23" if found[0] == "#" else f"{found[1]}\\x3a"


def block(text: str) -> str:
    """Lines of ours with foreign words in them: what looks like a new message is set in."""
    first, *more = text.split("\n")
    return "\n".join([line(first), *(line(each if each[:1] in {"", " "} else f"  {each}")
                                     for each in more)])  # fmt: skip


def json_text(text: str) -> str:
    r"""JSON whose strings have everything that is not printable as `\u` escapes: the same JSON."""
    text = text.replace("##[", "\\u0023#[")  # within a string: JSON has no such signs
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _unit_escapes(c) for c in text)


def _unit_escapes(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2)
    )
