"""What is wrong at a place where the reader found no statement, in the user's words.

The reader knows only that its pattern did not match; here the text is looked at once more, token
by token. Nothing here decides whether a text is valid.
"""

from __future__ import annotations

from trtbuild.errors import ConfigError
from trtbuild.modelconfig import grammar
from trtbuild.modelconfig.fields import Field, Table
from trtbuild.modelconfig.meant import Meant, meant
from trtbuild.modelconfig.positions import Lines


class ConfigSyntaxError(ConfigError):
    """A text that is no `ModelConfig`: C++ protobuf, so Triton, refuses it as well.

    kind        syntax, unknown-field, unknown-value, range, duplicate, encoding
    file        as given by the caller; line, column: from 1, in characters
    problem     what was found and what was possible; hint: the next step
    suggestion  the word that was probably meant by the `length` characters there; "": none
    sure        that word is the one right answer: it may be written in their place
    source_line the text of that line
    field       the field whose value it is about; None: none, or an unknown one
    """

    def __init__(
        self,
        text: str,
        file: str,
        offset: int,
        kind: str,
        problem: str,
        *,
        hint: str = "",
        suggestion: Meant | None = None,
        length: int = 1,
        field: Field | None = None,
    ) -> None:
        self.field = field
        self.kind, self.file, self.problem = kind, file, problem
        self.suggestion, self.sure = suggestion or Meant()
        self.offset, self.length = offset, length
        self.line, self.column = Lines(text).place(offset)
        self.source_line = _line_at(text, offset)
        super().__init__(f"{file}:{self.line}:{self.column}: {problem}", hint)


def _line_at(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", start)
    return text[start : len(text) if end < 0 else end].rstrip("\r")


def found_at(text: str, offset: int) -> str:
    """The token at `offset`, for messages: `'='`, `the end of the file`."""
    if offset >= len(text):
        return "the end of the file"
    atom = grammar.atom(text, offset)
    return f"'{grammar.shown(atom[1] if atom else text[offset])}'"


def unknown_field(text: str, start: int, name: str, table: Table) -> tuple[str, str, Meant]:
    """Problem, hint and the word meant, for a field that the message type has not."""
    near = meant(name, table.fields)
    if near.sure and _comes_again(text, start, table.fields[near.word]):
        near = Meant(near.word)
    problem = f"{table.name} has no field '{grammar.shown(name)}'"
    return (
        problem + (f"; did you mean '{near.word}'?" if near.word else ""),
        f"it has {', '.join(table.fields)}",
        near,
    )


def _comes_again(text: str, start: int, field: Field) -> bool:
    """Whether `field`, which is no list of messages, stands in the message around `start` too.

    Then another name at `start` would double a value, or make one list of two.
    """
    if field.repeated and field.table is not None:
        return False
    names: list[list[str]] = [[]]  # of each message that is open
    around = 0  # how many are open at `start`
    for token in grammar.tokens(text):
        if token.start() == start:
            around = len(names)
        if token[0] in "{<":
            names.append([])
        elif token[0] in "}>":
            closed = names.pop()
            if len(names) < around:
                return field.name in closed
        else:
            names[-1].append(token[0])
    return field.name in names[around - 1]  # whose end is missing


UNCLOSED_TEXT = (
    "the text that starts here is not closed on its line",
    "write \\n for a line break; pieces in quotes that follow each other are joined",
)
ESCAPES = (
    r"there are \n \r \t \a \b \f \v \\ \' \" \?, octal \101, hex \x41, \u0041 and \U0001f600; "
    r"write \\ for a backslash"
)

# What stands where a field's name should, and what people mean by it.
_NO_NAME = {
    "/": "comments start with '#'",
    ";": "one ';' or ',' may follow a field, not two",
    ",": "one ';' or ',' may follow a field, not two",
    "[": "extensions and Any are not part of a ModelConfig; a list stands after a field's name",
    "{": "a message stands after its field's name, as in: input { ... }",
    "}": "there is no open '{' that this one closes",
    ">": "there is no open '<' that this one closes",
    '"': 'text stands after a field\'s name, as in: name: "resnet"',
    "'": "text stands after a field's name, as in: name: 'resnet'",
    "\ufeff": "save the file as UTF-8 without a byte order mark",
}


def no_name(text: str, offset: int) -> tuple[int, str, str]:
    """Place, problem and hint where a field's name should stand."""
    character = text[offset] if offset < len(text) else ""
    what = found_at(text, offset)
    if character == "\ufeff":
        what = "a byte order mark"
    elif character > "\x7f":
        what = f"'{grammar.shown(character)}', which may stand in texts and comments only"
    return offset, f"expected a field's name, found {what}", _NO_NAME.get(character, "")


def no_value(text: str, name_start: int, field: Field) -> tuple[int, str, str]:
    """Place, problem and hint for a known field whose value cannot be read."""
    space = grammar.space(text, name_start + len(field.name))
    assert space is not None  # it matches the empty text
    offset = space.end()
    if text[offset : offset + 1] == ":":
        space = grammar.space(text, offset + 1)
        assert space is not None
        return _no_value_at(text, space.end(), field)
    expected = "'{'" if field.table else "':'"
    return offset, f"expected {expected} after '{field.name}', found {found_at(text, offset)}", ""


def no_element(text: str, pos: int, field: Field) -> tuple[int, str, str]:
    """Place, problem and hint where an element of a list should stand."""
    space = grammar.space(text, pos)
    assert space is not None
    offset, problem, hint = _no_value_at(text, space.end(), field)
    if text[offset : offset + 1] == "]":
        hint = "a list ends without a comma"
    return offset, problem, hint


def _no_value_at(text: str, offset: int, field: Field) -> tuple[int, str, str]:
    character = text[offset : offset + 1]
    if character and character in "\"'":
        return offset, *UNCLOSED_TEXT
    what = "'{'" if field.table else field.type_name
    hint = "a '+' is not written" if character == "+" else ""
    return offset, f"expected {what}, found {found_at(text, offset)}", hint
