"""Texts that are nearly configs: the forms that people and programs write, and slips of all kinds.

Made from a seed, by the schema; half of them are valid. What C++ and Python read differently
is left out: tests/modelconfig/cpp_verdicts.json and test_reader.py hold that.
"""

from __future__ import annotations

from random import Random

from trtbuild.modelconfig.fields import Field, Table, table_of
from trtbuild.modelconfig.schema import schema

_NUMBERS = (
    *("0", "1", "-1", "8", "224", "08", "0x1F", "0x", "-0x10", "-", "0xg", "8x"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("18446744073709551615", "18446744073709551616"),
    *("1e5", "1e", "1e+", "1e+5", "1.5", ".5", "1.", "1.f", "1f", "0.5.5", "00.5", "01e5"),
    *("inf", "-inf", "Infinity", "3.4028235e38", "3.5e38", "1e400", "-0.0", "a.b"),
    *("true", "t", "false", "TYPE_FP32", "KIND_GPU", "99"),
)
_TEXTS = (
    '"a"',
    "'a'",
    '""',
    r'"a\n\x41\101\u00e9"',
    '"a" \'b\'\n#c "x"\n"c"',
    '"é"',
    '"\t"',
    '"open',
    '"it\'s"',
    r'"\""',
    '"#no"',
    '"8.6"',
)
# Without escapes: Python takes most that a slip makes of them.
_TEXTS_TO_DAMAGE = tuple(text for text in _TEXTS if "\\" not in text)
_SPACES = ("", "", " ", " ", "\n", "\t", "\r\n", "#c\n", " # x: {\n", "\v", "\f")
_SLIPS = "{}[]<>:;,\"'#\\\n .-+/0x9aeé"


class Writer:
    """Writes one text after the other from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._calm = self._random.random() < 0.6  # writes mostly what is valid
        self._pick = self._random.choice

    def text(self) -> str:
        """The next text."""
        text = self._message(table_of(schema().ModelConfig.DESCRIPTOR), 4)
        slips = 0 if self._calm else self._pick((0, 1, 2))
        for _ in range(slips):
            at = self._random.randrange(len(text) + 1)
            keep = at + self._pick((0, 0, 1, 3))
            text = text[:at] + self._pick(("", "", *_SLIPS)) + text[keep:]
        return text

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _space(self) -> str:
        return self._pick(_SPACES)

    def _atom(self, field: Field) -> str:
        if not self._calm and self._often(0.15):
            return self._pick(_NUMBERS + _TEXTS_TO_DAMAGE)
        if field.is_text:
            return self._pick(_TEXTS[:7] if self._calm else _TEXTS_TO_DAMAGE)
        calm = {"true or false": ("true", "f", "1"), "a name": ("0", "1", "77")}
        return self._pick(
            calm.get(field.type_name, ("0", "1", "017", "0x7", "3")) if self._calm else _NUMBERS
        )

    def _value(self, field: Field, depth: int) -> str:
        if field.table is None:
            return self._atom(field)
        opening, closing = self._pick(("{}", "{}", "<>"))
        return opening + self._message(field.table, depth) + self._space() + closing

    def _message(self, table: Table, depth: int) -> str:
        count = self._pick((0, 1, 1, 2, 3)) if depth < 4 else self._pick((1, 2, 3, 4))
        names = [self._pick(list(table.fields)) for _ in range(count)] if table.fields else []
        once = self._calm or "key" in table.fields  # Python lets an entry repeat a default
        names = list(dict.fromkeys(names)) if once else names
        return "".join(self._field(table.fields[name], depth - 1) for name in names)

    def _field(self, field: Field, depth: int) -> str:
        name = field.name if self._calm or self._often(0.97) else self._pick(("nam", "[a.b]", "1"))
        colon = ":" if field.table is None or self._often(0.4) else ""
        if field.repeated and self._often(0.4):
            elements = [
                self._space() + self._value(field, depth) for _ in range(self._pick((0, 1, 3)))
            ]
            value = f"[{(self._space() + ',').join(elements)}{self._space()}]"
        else:
            value = self._value(field, depth)
        end = self._pick(("\n", " ", ";", ","))
        return (
            self._space()
            + name
            + self._space()
            + colon
            + self._space()
            + value
            + self._space()
            + end
        )
