"""A config that cannot be read, read on: every fault of its text, and what the rest of it says.

The reader ends at the first fault. Here the fault is written over and the text read again, until
nothing is left: an unknown field is taken for the one that was meant or left out, an unknown value
is replaced by one that can stand there. As nobody knows which, there are two readings, with other
values each: what is true of both does not depend on what stood there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from trtbuild.modelconfig import grammar
from trtbuild.modelconfig.explain import UNCLOSED_TEXT, ConfigSyntaxError
from trtbuild.modelconfig.fields import Field, Table, table_of
from trtbuild.modelconfig.meant import Meant
from trtbuild.modelconfig.placeholders import placeholder_of
from trtbuild.modelconfig.positions import Node, Span
from trtbuild.modelconfig.read import ParsedConfig
from trtbuild.modelconfig.reader import Reader
from trtbuild.modelconfig.schema import schema
from trtbuild.modelconfig.values import ValueProblem

_MOST = 100  # faults of one config; each costs a reading
_LARGEST = 1 << 18  # characters of a text that is read on; its first fault is told in any case
# What stands for a value that cannot be read, in the first and in the second reading.
_NUMBERS, _NAMES, _TRUTH, _TEXTS = ("8", "0"), ("0", "2"), ("t", "f"), ('""', '"x"')


class Recovered(NamedTuple):
    """What could be made of a broken config."""

    problems: tuple[ConfigSyntaxError, ...]  # in the order of the text
    readings: tuple[ParsedConfig, ...]  # two; none where its braces leave its meaning open


class _Edit(NamedTuple):
    """Write `new` over `text[start:end]` of what was edited before."""

    start: int
    end: int
    new: str


def recover(text: str, file: str) -> Recovered:
    """Every fault of `text`, which `Reader` refuses, and two readings of the rest."""
    first = _Recovery(text, file, 0)
    one = first.run()
    if one is None:
        return Recovered(first.found(), ())
    two = _Recovery(text, file, 1).run()
    return Recovered(first.found(), (one, two) if two is not None else ())


class _Recovery:
    """One reading."""

    def __init__(self, text: str, file: str, number: int) -> None:
        self.source, self.file, self.number = text, file, number
        self.text = text
        self.edits: list[_Edit] = []
        self.problems: dict[int, ConfigSyntaxError] = {}  # by their place in `source`
        bare = grammar.without_comments(text)
        opened = [m[0] for m in grammar.tokens(bare) if m[0] in "{}<>"]
        self.balanced = 2 * sum(o in "{<" for o in opened) == len(opened)

    def found(self) -> tuple[ConfigSyntaxError, ...]:
        """The faults, in the order of the text."""
        return tuple(self.problems[at] for at in sorted(self.problems))

    def run(self) -> ParsedConfig | None:
        """What is read in the end; None where it cannot be told what belongs to what."""
        top = table_of(schema().ModelConfig.DESCRIPTOR)
        for _ in range(_MOST):
            reader = Reader(self.text, self.file)
            try:
                return self._reading(reader.values(top), reader.nodes(top))
            except ConfigSyntaxError as problem:
                edit = self._edit(problem, top)
                if edit is None or len(self.source) > _LARGEST:
                    return None
                self.text = self.text[: edit.start] + edit.new + self.text[edit.end :]
                self.edits.append(edit)
        return None

    def _reading(self, values: object, nodes: list[Node]) -> ParsedConfig:
        message = schema().ModelConfig(**values)  # type: ignore[arg-type]  # by its fields
        document = ParsedConfig(self.file, self.source, message)
        # Worked out when asked for, from a text that can be read: here they are known.
        document.__dict__["nodes"] = [_moved(node, self._origin) for node in nodes]
        return document

    def _origin(self, offset: int) -> int:
        """Where the character at `offset` of the edited text stands in the source."""
        for edit in reversed(self.edits):
            end = edit.start + len(edit.new)
            if offset >= end:
                offset += edit.end - end
            elif offset > edit.start:
                offset = edit.start
        return offset

    def _edit(self, problem: ConfigSyntaxError, top: Table) -> _Edit | None:
        """What makes the text readable at the problem's place; None where nobody can tell."""
        at = self._origin(problem.offset)
        again = at in self.problems
        placeholder = placeholder_of(problem, self.text)
        if again and placeholder is not None and not placeholder.comment:
            placeholder = None  # it was written over, and what stands there now is wrong too
        if not again:
            self.problems[at] = self._told(problem, at)
        if problem.kind == "encoding":
            return None
        if placeholder is not None:
            field = problem.field
            new = _substitute(field, self.number) if field else ""
            return _Edit(placeholder.start, placeholder.end, new)
        if problem.kind == "unknown-field":
            return self._unknown_field(problem, top, again=again)
        if problem.kind == "duplicate":
            return self._without(problem.offset)
        if problem.field is not None:
            return self._value(problem, problem.field, again=again)
        return self._stray(problem)

    def _told(self, problem: ConfigSyntaxError, at: int) -> ConfigSyntaxError:
        """The problem with its place in the source."""
        return ConfigSyntaxError(
            self.source,
            self.file,
            at,
            problem.kind,
            problem.problem,
            hint=problem.hint,
            suggestion=Meant(problem.suggestion, problem.sure),
            length=problem.length,
            field=problem.field,
        )

    def _unknown_field(
        self, problem: ConfigSyntaxError, top: Table, *, again: bool
    ) -> _Edit | None:
        start = problem.offset
        if problem.suggestion and not again and (problem.sure or self.number == 0):
            return _Edit(start, start + problem.length, problem.suggestion)
        name = self.text[start : start + problem.length]
        if not self.balanced and name in _all_names(top):
            return None  # a brace is missing, so it stands in the wrong message
        return self._without(start)

    def _value(self, problem: ConfigSyntaxError, field: Field, *, again: bool) -> _Edit | None:
        start, text = problem.offset, self.text
        if problem.problem.startswith("expected ':' after") and not again:
            given = text[start : start + 1]
            return _Edit(start, start + (given == "="), ":")
        if problem.problem.startswith("expected ',' or ']'"):
            follows = grammar.name(text, start)
            begins = follows is not None and _begins_field(text, follows.end())
            ends = begins or text[start : start + 1] in ("}", ">", "")
            return _Edit(start, start, "] " if ends else ", ")
        if problem.hint == "a list ends without a comma":
            comma = text.rfind(",", 0, start)
            return _Edit(comma, comma + 1, " ")
        if problem.problem == UNCLOSED_TEXT[0]:
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            return _Edit(end, end, text[start])
        end = self._value_end(start)
        if end == start:
            return None
        follows = grammar.name(text, start)
        if follows is not None and _begins_field(text, follows.end()):
            return None  # the value is missing: what comes is the next field
        inside = text[start + 1 : end - 1] if text[start] in ("'", '"') else ""
        quoted = f'"{text[start:end]}"' if field.is_text and not inside else ""
        near = problem.suggestion if problem.sure or self.number == 0 else ""
        for word in (near, inside, quoted, _substitute(field, self.number)):
            if word and _reads(field, word):
                return _Edit(start, end, f" {word} ")
        return None

    def _value_end(self, start: int) -> int:
        """The end of the value at `start`: an atom, a text, a list or a message."""
        text = self.text
        character = text[start : start + 1]
        if character in ("[", "{", "<"):
            return self._closed(start)
        if character and character in "\"'":
            return max(start, grammar.literal_end(text, start))
        atom = grammar.atom(text, start)
        return atom.end() if atom is not None and atom.start(1) == start else start

    def _closed(self, start: int) -> int:
        """Behind the bracket that closes the one at `start`; `start` where none does."""
        bare, depth, at = grammar.without_comments(self.text), 0, start
        while at < len(bare):
            if bare[at] in "\"'":
                at = max(at + 1, grammar.literal_end(bare, at))
                continue
            depth += (bare[at] in "[{<") - (bare[at] in "]}>")
            at += 1
            if not depth:
                return at
        return start

    def _without(self, start: int) -> _Edit | None:
        """The statement whose name stands at `start`, taken out."""
        name = grammar.name(self.text, start)
        if name is None:
            return None
        at = _space_end(self.text, name.end())
        if self.text[at : at + 1] == ":":
            at = _space_end(self.text, at + 1)
        end = self._value_end(at)
        return _Edit(start, end, "") if end > at else None

    def _stray(self, problem: ConfigSyntaxError) -> _Edit | None:
        """What stands where a field's name should."""
        start, text = problem.offset, self.text
        character = text[start : start + 1]
        if problem.problem.startswith("this '") or not character:
            return None  # not closed
        if problem.problem.startswith("expected '}' for") or character in "}>":
            return None  # which of them is too many cannot be told
        if character in ",;\ufeff":
            return _Edit(start, start + 1, "")
        end = text.find("\n", start)
        return _Edit(start, len(text) if end < 0 else end, "")


def _moved(node: Node, origin: Callable[[int], int]) -> Node:
    span = Span(*map(origin, node.span))
    children = node.children
    moved = None if children is None else [_moved(child, origin) for child in children]
    return node._replace(span=span, children=moved)


def _substitute(field: Field, number: int) -> str:
    if field.table is not None:
        return "{}"
    if field.is_text:
        return _TEXTS[number]
    if field.type_name == "a name":
        return _NAMES[number]
    return (_TRUTH if field.type_name == "true or false" else _NUMBERS)[number]


def _reads(field: Field, word: str) -> bool:
    if field.table is not None:
        return word == "{}"
    if word[0] in "\"'":
        return field.is_text and grammar.literal_end(word, 0) == len(word)
    try:
        field.read(word)
    except ValueProblem:
        return False
    return True


def _begins_field(text: str, end: int) -> bool:
    """Whether a name that ends there is a field's, not a value."""
    at = _space_end(text, end)
    return text[at : at + 1] in (":", "{", "<")


def _space_end(text: str, at: int) -> int:
    space = grammar.space(text, at)
    assert space is not None  # it takes the empty text
    return space.end()


@functools.cache
def _all_names(top: Table) -> frozenset[str]:
    """The fields of all messages."""
    names = set(top.fields)
    for field in top.fields.values():
        if field.table is not None:
            names |= _all_names(field.table)
    return frozenset(names)
