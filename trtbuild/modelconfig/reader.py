"""The pass over a config's text: one regular expression, a statement a match, led by the schema.

It accepts what C++ protobuf's TextFormat accepts, and so what Triton accepts.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from trtbuild.modelconfig import explain, grammar
from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.fields import Field, Table
from trtbuild.modelconfig.positions import Lines, Node, Span
from trtbuild.modelconfig.values import ValueProblem


class Reader:
    """One pass over one text: plain dicts and lists of values, or nodes with positions."""

    def __init__(self, text: str, file: str) -> None:
        self.source = text
        self.text = grammar.without_comments(text)
        self.file = file
        self.not_utf8: list[int] = []

    def values(self, table: Table) -> dict[str, Any]:
        """The text as the keyword arguments of `table`'s message type."""
        return self._top(table, None)

    def nodes(self, table: Table) -> list[Node]:
        """The text's fields with their positions."""
        nodes: list[Node] = []
        self._top(table, nodes)
        return nodes

    def _top(self, table: Table, nodes: list[Node] | None) -> dict[str, Any]:
        if (nul := self.source.find("\0")) >= 0:
            raise self._error(nul, "encoding", "a NUL byte: this is no text file")
        return self._message(table, 0, "", 0, nodes)[0]

    def _message(
        self, table: Table, pos: int, close: str, opened: int, nodes: list[Node] | None
    ) -> tuple[dict[str, Any], int]:
        """The fields from `pos` to `close`, which is "" for the file's end, and where that ends."""
        found: dict[str, Any] = {}
        text, fields, statement = self.text, table.fields, grammar.statement
        while True:
            match = statement(text, pos)
            if match is None:
                raise self._no_statement(pos, table)
            if match.lastindex == grammar.END:
                if match[grammar.END] != close:
                    raise self._wrong_end(match.start(grammar.END), close, opened)
                return found, match.end()
            name = match[grammar.FIELD]
            field = fields.get(name)
            if field is None:
                raise self._unknown_field(match.start(grammar.FIELD), table)
            if not field.repeated:
                if name in found or field.others:
                    self._refuse_second(found, field, match.start(grammar.FIELD))
                values, pos = self._values(field, match, nodes)
                found[name] = values[0]
            elif field.is_map:
                values, pos = self._values(field, match, nodes)
                found.setdefault(name, {}).update(_entries(field, values))
            else:
                values, pos = self._values(field, match, nodes)
                found.setdefault(name, []).extend(values)

    def _values(
        self, field: Field, match: re.Match[str], nodes: list[Node] | None
    ) -> tuple[list[Any], int]:
        """The values of one statement, one but for lists, and where the next statement begins."""
        form, name = match.lastindex or 0, match.start(grammar.FIELD)
        if form in (grammar.VALUE, grammar.PLAIN_TEXT, grammar.TEXT):
            value, end = self._scalar(field, form, match, form)
            if nodes is not None:
                nodes.append(Node(field, Span(name, match.start(form), end), value, None))
            return [value], match.end() if form != grammar.TEXT else self._separated(end)
        if form == grammar.OPEN:
            value, end = self._braces(field, name, match.start(form), nodes)
            return [value], self._separated(end)
        if not field.repeated or (field.table is None and not self._colon(match)):
            raise self._no_value(name, field)
        if form == grammar.VALUES and nodes is None:
            with contextlib.suppress(ValueProblem):  # `_list` meets it again, with its place
                return [field.read(atom.strip()) for atom in match[form].split(",")], match.end()
        opening = match.start(grammar.BRACKET if form == grammar.VALUES else form)
        elements: list[Node] | None = None if nodes is None else []
        values, end = self._list(field, name, opening + 1, elements)
        if nodes is not None:
            nodes.append(Node(field, Span(name, opening, end), None, elements))
        return values, self._separated(end)

    def _list(
        self, field: Field, name: int, pos: int, nodes: list[Node] | None
    ) -> tuple[list[Any], int]:
        """The elements of the list whose first one stands at `pos`, and where the list ends."""
        values: list[Any] = []
        after = grammar.after_element(self.text, pos)
        while after is None or after[1] == ",":
            match = grammar.element(self.text, pos)
            if match is None:
                raise self._no_element(pos, field)
            group = match.lastindex or 0
            form, start = grammar.ELEMENT_FORMS[group], match.start(group)
            if form == grammar.OPEN:
                value, pos = self._braces(field, name, start, nodes)
            else:
                value, pos = self._scalar(field, form, match, group)
                if nodes is not None:
                    nodes.append(Node(field, Span(name, start, pos), value, None))
            values.append(value)
            after = grammar.after_element(self.text, pos)
            if after is None:
                raise self._no_comma(pos, field)
            pos = after.end()
        return values, after.end()

    def _braces(
        self, field: Field, name: int, opening: int, nodes: list[Node] | None
    ) -> tuple[dict[str, Any], int]:
        if field.table is None:
            raise self._no_value(name, field)
        close = "}" if self.text[opening] == "{" else ">"
        children: list[Node] | None = None if nodes is None else []
        value, end = self._message(field.table, opening + 1, close, opening, children)
        if nodes is not None:
            nodes.append(Node(field, Span(name, opening, end), value, children))
        return value, end

    def _scalar(self, field: Field, form: int, match: re.Match[str], group: int) -> tuple[Any, int]:
        """The value at `match[group]` and where it ends."""
        start, end = match.span(group)
        try:
            if form == grammar.VALUE:
                return field.read(match[group]), end
            if not field.is_text:
                hint = "write it without quotes" if field.table is None else ""
                raise ValueProblem("syntax", f"expected {field.type_name}, found a text", hint)
            if form == grammar.PLAIN_TEXT and (body := match[group][1:-1]).isascii():
                return body, end
            return self._text(start)
        except ValueProblem as problem:
            if form == grammar.TEXT:  # of which the match has only the quote
                end = max(end, grammar.literal_end(self.text, start))
            raise self._bad_value(problem, start, end - start, field) from None

    def _text(self, start: int) -> tuple[str, int]:
        """The text whose literals, one or more, begin at `start`, and where it ends."""
        pieces, pos, end = [], start, start
        while self.text[pos : pos + 1] in ('"', "'"):
            end = grammar.literal_end(self.text, pos)
            if end < 0:
                raise self._error(pos, "syntax", *explain.UNCLOSED_TEXT)
            body = self.text[pos + 1 : end - 1].encode("utf-8", "surrogateescape")
            try:
                pieces.append(grammar.unescape(body))
            except ValueError as error:
                escape = grammar.shown(str(error))
                raise ValueProblem("syntax", f"'{escape}' is no escape", explain.ESCAPES) from None
            pos = _end(grammar.space(self.text, end))
        content = b"".join(pieces)
        try:
            return content.decode(), end
        except UnicodeDecodeError:
            self.not_utf8.append(start)  # C++ takes any bytes, Python's message only UTF-8
            return content.decode("utf-8", "replace"), end

    def _separated(self, pos: int) -> int:
        return _end(grammar.separator(self.text, pos))

    def _refuse_second(self, found: dict[str, Any], field: Field, start: int) -> None:
        """C++ counts a field as given when it has presence or another value than the default."""
        given = found.get(field.name)
        # -0.0 is another value than the default.
        if field.name in found and (field.presence or given or str(given) == "-0.0"):
            raise self._error(
                start, "duplicate", f"'{field.name}' is given a second time", length=len(field.name)
            )
        for other in field.others:
            if other in found:
                raise self._error(
                    start,
                    "duplicate",
                    f"'{field.name}' and '{other}' exclude each other, and both are given",
                    hint="keep one of them",
                    length=len(field.name),
                )

    def _colon(self, match: re.Match[str]) -> bool:
        return self.text[_end(grammar.space(self.text, match.end(grammar.FIELD)))] == ":"

    def _error(
        self, offset: int, kind: str, problem: str, hint: str = "", **more: Any
    ) -> ConfigSyntaxError:
        return ConfigSyntaxError(self.source, self.file, offset, kind, problem, hint=hint, **more)

    def _unknown_field(self, start: int, table: Table) -> ConfigSyntaxError:
        found = grammar.name(self.text, start)
        assert found is not None  # the caller saw a field's name
        problem, hint, near = explain.unknown_field(self.text, start, found[0], table)
        return self._error(
            start, "unknown-field", problem, hint=hint, suggestion=near, length=len(found[0])
        )

    def _no_statement(self, pos: int, table: Table) -> ConfigSyntaxError:
        start = _end(grammar.space(self.text, pos))
        found = grammar.name(self.text, start)
        if found is None:
            start, problem, hint = explain.no_name(self.text, start)
            return self._error(start, "syntax", problem, hint=hint)
        field = table.fields.get(found[0])
        return self._no_value(start, field) if field else self._unknown_field(start, table)

    def _no_value(self, name: int, field: Field) -> ConfigSyntaxError:
        start, problem, hint = explain.no_value(self.text, name, field)
        return self._error(start, "syntax", problem, hint=hint, field=field)

    def _no_element(self, pos: int, field: Field) -> ConfigSyntaxError:
        start, problem, hint = explain.no_element(self.text, pos, field)
        return self._error(start, "syntax", problem, hint=hint, field=field)

    def _no_comma(self, pos: int, field: Field) -> ConfigSyntaxError:
        start = _end(grammar.space(self.text, pos))
        what = explain.found_at(self.text, start)
        problem = f"expected ',' or ']' in the list '{field.name}', found {what}"
        return self._error(start, "syntax", problem, field=field)

    def _bad_value(
        self, problem: ValueProblem, start: int, length: int, field: Field
    ) -> ConfigSyntaxError:
        return self._error(
            start,
            problem.kind,
            problem.problem,
            hint=problem.hint,
            suggestion=problem.suggestion,
            length=length,
            field=field,
        )

    def _wrong_end(self, start: int, close: str, opened: int) -> ConfigSyntaxError:
        if not close:
            start, problem, hint = explain.no_name(self.text, start)
            return self._error(start, "syntax", problem, hint=hint)
        open_ = self.text[opened]
        if start == len(self.text):
            return self._error(
                opened, "syntax", f"this '{open_}' is not closed: '{close}' is missing"
            )
        place = Lines(self.text).place(opened)
        return self._error(
            start,
            "syntax",
            f"expected '{close}' for the '{open_}' at {place}, found '{self.text[start]}'",
        )


def _end(match: re.Match[str] | None) -> int:
    """The end of a match that cannot fail, as its pattern takes the empty text."""
    assert match is not None
    return match.end()


def _entries(field: Field, values: list[dict[str, Any]]) -> dict[Any, Any]:
    """The entries of a map as a dict; what an entry leaves out is its type's default."""
    assert field.table is not None
    key, value = field.table.fields["key"].default, field.table.fields["value"].default
    return {entry.get("key", key): entry.get("value", value) for entry in values}
