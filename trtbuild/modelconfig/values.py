"""Atoms (`224`, `-0x1f`, `TYPE_FP32`, `true`, `1e-3f`) as values, by the type of the field.

Ranges and forms are those of C++ protobuf's `text_format.cc`: integers are decimal, hex or octal
and must fit the type; floats must not be hex or octal; booleans are true, True, t, 1 and their
opposites; enums take any 32-bit number, known or not (proto3 enums are open).
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable

from trtbuild.modelconfig import grammar
from trtbuild.modelconfig.meant import Meant, meant

Value = int | float | bool | str

_INTEGER = re.compile(r"0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*")
_FLOAT = re.compile(r"(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?")
_IDENTIFIER = re.compile(grammar.NAME)
_CACHED = 4096  # atoms per type: sizes and enum names repeat from config to config
_MAX_FLOAT = 3.4028234663852886e38
# Up to half a unit above the largest float, which is how that number is printed with 8 digits.
_ROUNDS_TO_MAX_FLOAT = 3.4028235677973366e38


class ValueProblem(Exception):  # noqa: N818  # becomes a ConfigSyntaxError once it has a place
    """An atom that the field's type does not have: what is wrong, and the word that was meant."""

    def __init__(
        self, kind: str, problem: str, hint: str = "", suggestion: Meant | None = None
    ) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.hint = hint
        self.suggestion = suggestion or Meant()


def _split(atom: str) -> tuple[bool, str]:
    """Sign and rest; C++ allows space between them."""
    if atom[0] != "-":
        return False, atom
    return True, atom[1:].lstrip()


def _unsigned(word: str) -> int | None:
    """The number of an integer token, None where `word` is none."""
    if _INTEGER.fullmatch(word) is None:
        return None
    if len(word) > 1 and word[0] == "0":
        return int(word, 16) if word[1] in "xX" else int(word, 8)
    # Python refuses to read decimals beyond 4300 digits; that one is out of every range, too.
    return int(word) if len(word) < 4300 else 1 << 64


def integer(bits: int, signed: bool) -> Callable[[str], int]:
    """The reader of a type: int32 is `integer(32, signed=True)`."""
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    words = f"{'an integer' if signed else 'a non-negative integer'} of {bits} bits"

    @functools.lru_cache(_CACHED)
    def read(atom: str) -> int:
        negative, word = _split(atom)
        number = _unsigned(word)
        if number is None or (negative and not signed):
            raise ValueProblem("syntax", f"expected {words}, found '{grammar.shown(atom)}'")
        value = -number if negative else number
        if not lowest <= value <= highest:
            raise ValueProblem(
                "range",
                f"{grammar.shown(atom)} is out of range: it goes from {lowest} to {highest}",
            )
        return value

    return read


@functools.lru_cache(_CACHED)
def double(atom: str) -> float:
    """A floating-point number: `1`, `1.`, `.5`, `1e-3`, `1f`, `inf`, `-Infinity`, `nan`."""
    negative, word = _split(atom)
    value: float | None = None
    if word.lower() in ("inf", "infinity", "nan"):
        value = float(word)
    elif _FLOAT.fullmatch(word):
        value = float(word.rstrip("fF"))
    if value is None:
        raise ValueProblem("syntax", f"expected a number, found '{grammar.shown(atom)}'")
    return -value if negative else value


def single(atom: str) -> float:
    """A number that a 32-bit float holds: rounded, and infinite beyond its range."""
    value = double(atom)
    if _MAX_FLOAT < abs(value) <= _ROUNDS_TO_MAX_FLOAT:
        return math.copysign(_MAX_FLOAT, value)
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


_BOOLEANS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}


def boolean(atom: str) -> bool:
    """`true`, `True`, `t` or `1`, and their opposites."""
    value = _BOOLEANS.get(atom)
    if value is None:
        number = _unsigned(atom)
        if number is None or number > 1:
            raise ValueProblem(
                "syntax",
                f"expected true or false, found '{grammar.shown(atom)}'",
                suggestion=meant(atom, ("true", "false")),
            )
        return bool(number)
    return value


_int32 = integer(32, signed=True)


def enumeration(name: str, numbers: dict[str, int]) -> Callable[[str], int]:
    """The reader of the enum `name`, whose values are `numbers`."""

    def read(atom: str) -> int:
        value = numbers.get(atom)
        if value is not None:
            return value
        if _IDENTIFIER.fullmatch(atom):
            raise _unknown_value(name, atom, numbers)
        return _int32(atom)

    return read


def _unknown_value(name: str, word: str, numbers: dict[str, int]) -> ValueProblem:
    near = meant(word, numbers)
    return ValueProblem(
        "unknown-value",
        f"{name} has no value '{grammar.shown(word)}'"
        + (f"; did you mean {near.word}?" if near.word else ""),
        f"it has {', '.join(numbers)}",
        suggestion=near,
    )


def no_atom(what: str) -> Callable[[str], Value]:
    """The reader of a field that holds no atom but `what`."""

    def read(atom: str) -> Value:
        raise ValueProblem("syntax", f"expected {what}, found '{grammar.shown(atom)}'")

    return read


def word_from_boolean(value: bool) -> str:
    """`true` or `false`."""
    return "true" if value else "false"


def word_from_double(value: float) -> str:
    """The shortest decimal that reads back as the same number: `0.5`, `8`, `-inf`, `nan`."""
    return repr(value).removesuffix(".0")


def word_from_single(value: float) -> str:
    """As `word_from_double`, for a number that a 32-bit float holds."""
    if not math.isfinite(value):
        return repr(value)
    # Nine digits tell every 32-bit float from its neighbours.
    words = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next(word for word in words if single(word) == value)


_ESCAPED = {ord(c): rf"\{e}" for c, e in zip('"\\\n\r\t', '"\\nrt', strict=True)}
_ESCAPED |= {code: rf"\{code:03o}" for code in (*range(32), 127) if code not in _ESCAPED}


def word_from_text(value: str) -> str:
    """In double quotes; only quotes, backslashes and control characters are escaped."""
    return f'"{value.translate(_ESCAPED)}"'
