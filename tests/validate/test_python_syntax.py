"""The server's Python decides what parses, not the one that runs these tests."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity
from trtbuild.validate.python_syntax import parse, respelled

# What Python 3.12 parses and 3.11 does not.
NEWER = {
    "the same quotes": """x = f"{d["a"]} {d['b']}"\n""",
    "the same quotes, nested": """x = f"{f"{f"{1}"}"}"\n""",
    "a backslash": """x = f"{'\\n'.join(a)}"\n""",
    "a line break": 'x = f"a {\n    b\n} c"\ny = 1\n',
    "a comment": 'x = f"""{\n  a  # what it is\n}"""\n',
    "a format of its own": """x = f"{a:{d["width"]}}"\n""",
    "a type statement": "type Pair[T] = tuple[T, T]\ntype One = int\n",
    "a function with a type parameter": "def first[T: int](a: list[T]) -> T:\n    return a[0]\n",
    "a class with type parameters": "class Box[T, *Ts, **P]:\n    pass\n",
}
# What every Python of these takes.
OLD = {
    "plain f-strings": "x = f\"{d['a']!r:>{w}} {{}} {a != b} {c:%H:%M}\" + rf'\\{x}'\n",
    "texts like them": "x = 'f\"{' + \"# '\" + '''f'{'''  # f\"{x[\"\n",
    "a variable called type": "type = 1\ntype[0] = 2\nprint(type)\n",
    "a name after a def": "def f(a: 'list[int]'): return a[0]\nclass A(B[int]): ...\n",
    "an escape": "x = f'\\N{BULLET}{a}\\'{b}'\n",
}
WRONG = {
    "no colon": 'x = f"{d["a"]}"\nclass TritonPythonModel\n    pass\n',
    "a bracket": "type X = int\nx = (1\n",
    "an f-string that is not closed": 'x = f"{a\ny = 1\n',
    "an indentation": "def f():\nreturn 1\n",
}


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER)
def test_what_the_server_knows_is_no_error(text: str) -> None:
    parsed = parse(text.encode(), (3, 12))
    assert parsed.tree is not None
    assert parsed.error is None or not parsed.sure
    assert (parsed.error is None) == (sys.version_info >= (3, 12))


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER)
def test_what_the_server_does_not_know_is_one(text: str) -> None:
    parsed = parse(text.encode(), (3, 10))
    assert parsed.error is not None
    assert parsed.sure


@pytest.mark.parametrize("text", OLD.values(), ids=OLD)
@pytest.mark.parametrize("server", [(3, 10), (3, 12), (3, 14)])
def test_what_all_know_is_none(text: str, server: tuple[int, int]) -> None:
    assert parse(text.encode(), server).error is None
    assert ast.dump(ast.parse(respelled(text))) == ast.dump(ast.parse(text))


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_none_knows_is_one(text: str) -> None:
    parsed = parse(text.encode(), (3, 12))
    assert parsed.error is not None
    assert parsed.sure


def test_lines_stay_where_they_are() -> None:
    text = NEWER["a line break"] + "class TritonPythonModel:\n    pass\n"
    (node,) = (n for n in ast.parse(respelled(text)).body if isinstance(n, ast.ClassDef))
    assert node.lineno == 5


def test_the_finding_names_the_python_that_refused_it(judge: Judge) -> None:
    model = "class TritonPythonModel:\n    def run(self):\n        return {}\n"
    text = f'-- m/config.pbtxt --\nbackend: "python"\n-- m/1/model.py --\n{model}'
    newer = text.format('f"{self.names["a"]}"')
    found = {f.code: f for f in judge(newer)}
    assert found["Y003"].line == 1  # what else is wrong is seen all the same
    if sys.version_info < (3, 12):
        running = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert found["Y001"].level == Severity.WARNING
        assert f"by Python {running}:" in found["Y001"].message
    else:
        assert "Y001" not in found
    (old,) = (f for f in judge(newer, server_python=(3, 10)) if f.code == "Y001")
    assert old.level == Severity.ERROR
    (wrong,) = (f for f in judge(text.format("(")) if f.code == "Y001")
    assert wrong.level == Severity.ERROR


def test_a_class_that_cannot_be_seen_may_complete(judge: Judge) -> None:
    model = "class TritonPythonModel:\n    @staticmethod\n    def auto_complete_config(config):\n"
    model += (
        '        config.add_input({"name": f"{n["a"]}", "data_type": "TYPE_FP32", "dims": [1]})\n'
    )
    model += "        return config\n    def execute(self, requests):\n        return []\n"
    config = '-- m/config.pbtxt --\nbackend: "python"\ninput { name: "a" }\n'
    text = f"{config}-- m/1/model.py --\n{model}"
    assert [f.code for f in judge(text) if f.level == Severity.ERROR] == []
