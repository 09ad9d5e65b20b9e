"""The names that a module binds, by its statements."""

from __future__ import annotations

import ast

import pytest

from trtbuild.validate.python_scope import names_of, truth_of


def bound(text: str) -> dict[str, int]:
    """Each name with the number of nodes that may bind it."""
    return {name: len(nodes) for name, nodes in names_of(ast.parse(text).body).items()}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a = 1", {"a": 1}),
        ("a = 1\na = 2", {"a": 1}),
        ("a: int", {}),
        ("a: int = 1", {"a": 1}),
        ("a = 1\ndel a", {}),
        ("(a := 1)", {"a": 1}),
        ("[a, *b] = c", {"a": 1, "b": 1}),
        ("import a.b, c as d", {"a": 1, "d": 1}),
        ("from a import b, c as d", {"b": 1, "d": 1}),
        ("from a import *", {"*": 1}),
        ("def f():\n    a = 1", {"f": 1}),
        ("class C:\n    a = 1", {"C": 1}),
        ("f = lambda: (a := 1)", {"f": 1}),
        ("a = [b for b in c]", {"a": 1}),
        ("if x:\n    a = 1\nelse:\n    a = 2", {"a": 2}),
        ("a = 1\nif x:\n    a = 2", {"a": 2}),
        ("if False:\n    a = 1\nelse:\n    b = 1", {"b": 1}),
        ("while True:\n    a = 1", {"a": 1}),
        ("for a in b:\n    c = 1\nelse:\n    d = 1", {"a": 1, "c": 1, "d": 1}),
        ("with a as b:\n    c = 1", {"b": 1, "c": 1}),
        ("try:\n    a = 1\nexcept E:\n    a = 2\nelse:\n    b = 1\nfinally:\n    c = 1", None),
        ("match a:\n    case [b, *c]:\n        d = 1", {"b": 1, "c": 1, "d": 1}),
    ],
)
def test_names(text: str, names: dict[str, int] | None) -> None:
    assert bound(text) == ({"a": 2, "b": 1, "c": 1} if names is None else names)


@pytest.mark.parametrize(
    ("test", "truth"),
    [
        ("True", True),
        ("0", False),
        ("not 0", True),
        ("not x", None),
        ("x", None),
        ("TYPE_CHECKING", False),
        ("typing.TYPE_CHECKING", False),
        ("__name__ == '__main__'", False),
        ("'__main__' != __name__", True),
        ("__name__ == 'x'", None),
        ("__name__ is '__main__'", None),
        ("1 < x < 2", None),
    ],
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_conditions(test: str, truth: bool | None) -> None:
    assert truth_of(ast.parse(test, mode="eval").body) is truth
