"""The dicts that `auto_complete_config` gives to the config, where they are written out.

Source: Python backend, triton_python_backend_utils.py (ModelConfig.add_input, add_output,
set_model_transaction_policy).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from trtbuild.validate.python_model import Method

_TENSOR = ("name", "data_type", "dims")
# call -> the keys it needs, those it takes beside them
_CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "add_input": (_TENSOR, ("optional",)),
    "add_output": (_TENSOR, ()),
    "set_model_transaction_policy": ((), ("decoupled",)),
}


class Properties(NamedTuple):
    """A dict in such a call."""

    call: str
    values: dict[str, object]  # key -> its value, None where that is no literal
    more: bool  # it may have others: `**rest`
    line: int
    column: int  # from 1

    @property
    def problem(self) -> str:
        """Why the call refuses it; "" where it does not."""
        needs, also = _CALLS[self.call]
        unknown = [key for key in self.values if key not in (*needs, *also)]
        if unknown:
            return f"a dict with the key '{unknown[0]}'"
        missing = [key for key in needs if key not in self.values]
        return f"a dict without the key '{missing[0]}'" if missing and not self.more else ""

    @property
    def takes(self) -> str:
        """What may be given."""
        needs, also = _CALLS[self.call]
        words = [", ".join(f"'{key}'" for key in needs)] if needs else []
        return " and, if you like, ".join([*words, *(f"'{key}'" for key in also)])


def properties(method: Method) -> Iterator[Properties]:
    """Every dict that the method gives, as a literal, by a name or out of a list of literals."""
    named = _named(method)
    changed = set(_changed(method))
    guarded = set(_guarded(method))
    for node in ast.walk(method):
        if (
            node in guarded
            or not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Attribute)
        ):
            continue
        call = node.func.attr
        if call not in _CALLS or len(node.args) != 1 or node.keywords:
            continue
        (given,) = node.args
        name = given.id if isinstance(given, ast.Name) else ""
        if name in changed:
            continue
        for value in named.get(name, []) if name else [given]:
            told = _values(value)
            if told is not None:
                found, more = told
                yield Properties(call, found, more, value.lineno, value.col_offset + 1)


def _guarded(method: Method) -> Iterator[ast.AST]:
    """What stands in a `try` that may catch what the call raises."""
    for node in ast.walk(method):
        if isinstance(node, ast.Try) and node.handlers:
            for statement in node.body:
                yield from ast.walk(statement)


def _named(method: Method) -> dict[str, list[ast.expr]]:
    """The values of each name: of every assignment, and of the lists that loops go over."""
    found: dict[str, list[ast.expr]] = {}
    loops = []
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                loops.append((node.target.id, node.iter))
            continue
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
    for name, over in loops:
        lists = found.get(over.id, []) if isinstance(over, ast.Name) else [over]
        for value in lists:
            if isinstance(value, ast.List | ast.Tuple):
                found.setdefault(name, []).extend(value.elts)
    return found


def _changed(method: Method) -> Iterator[str]:
    """The names whose dicts get keys, or lose them, after they were written."""
    for node in ast.walk(method):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield from _name(node.value)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("update", "setdefault", "pop", "clear", "popitem")
        ):
            yield from _name(node.func.value)


def _name(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id


def _values(value: ast.expr) -> tuple[dict[str, object], bool] | None:
    """A dict that is written out, and whether it has more; None for other values."""
    found: dict[str, object] = {}
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant):
                found[str(key.value)] = _literal(item)
        return found, len(found) < len(value.keys)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
        found = {word.arg: _literal(word.value) for word in value.keywords if word.arg}
        return found, bool(value.args) or len(found) < len(value.keywords)
    return None


def _literal(value: ast.expr) -> object:
    try:
        literal: object = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return literal
