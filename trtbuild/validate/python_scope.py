"""The names that a module or a class binds when it is run, as far as its syntax tree tells.

What is bound last counts. Functions and inner classes are scopes of their own and not looked into.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Names = dict[str, list[ast.AST]]  # name -> the nodes of which one binds it in the end; [] after del


def names_of(body: Sequence[ast.stmt]) -> Names:
    """The names that the statements of a module or a class bind."""
    found: Names = {}
    _run(body, found, certain=True)
    return {name: nodes for name, nodes in found.items() if nodes}


def _run(body: Sequence[ast.stmt], found: Names, *, certain: bool) -> None:
    for statement in body:
        for name, node in _bound_by(statement):
            if certain or name not in found:
                found[name] = []
            if node is not None:
                found[name].append(node)
        for inner, sure in _inner(statement):
            _run(inner, found, certain=certain and sure)


def _inner(statement: ast.stmt) -> Iterator[tuple[Sequence[ast.stmt], bool]]:
    """The blocks of a statement that may run, and whether they surely do."""
    if isinstance(statement, ast.If | ast.While):
        truth = truth_of(statement.test)
        if truth is not False:
            yield statement.body, truth is True
        if truth is not True:
            yield statement.orelse, truth is False
    elif isinstance(statement, ast.For):
        yield statement.body, False
        yield statement.orelse, False
    elif isinstance(statement, ast.With):
        yield statement.body, True
    elif isinstance(statement, ast.Match):
        for case in statement.cases:
            yield case.body, False
    elif hasattr(statement, "handlers"):  # Try and, from Python 3.11 on, TryStar
        yield statement.body, True  # type: ignore[attr-defined]  # both have it
        for handler in statement.handlers:
            yield handler.body, False
        yield statement.orelse, True  # type: ignore[attr-defined]
        yield statement.finalbody, True  # type: ignore[attr-defined]


def truth_of(test: ast.expr) -> bool | None:
    """Whether a condition holds while a server imports the file; None: it depends."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth_of(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Name | ast.Attribute):
        name = test.id if isinstance(test, ast.Name) else test.attr
        return False if name == "TYPE_CHECKING" else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        sides = (test.left, test.comparators[0])
        named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
        main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
        if named and main and isinstance(test.ops[0], ast.Eq | ast.NotEq):
            return isinstance(test.ops[0], ast.NotEq)
    return None


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, ast.AST | None]]:
    """Each name that the statement itself binds, with its node; None where it is deleted."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.partition(".")[0], statement
    elif isinstance(statement, ast.AnnAssign) and statement.value is None:
        return  # an annotation alone binds nothing
    else:
        for node in _own(statement):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id, node if isinstance(node.ctx, ast.Store) else None
            elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                yield node.name, node


def _own(statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are no statements, in its own scope."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt | ast.Lambda | ast.ExceptHandler):
            continue
        if isinstance(child, ast.match_case):
            yield from _own(child)
            continue
        yield child
        if not isinstance(child, ast.comprehension):
            yield from _own(child)
