"""The texts of an ExportedProgram that PyTorch makes Python of: what each may say.

`torch.export.load` hands dim expressions to sympy, which evaluates them; the guards become
a function's source; names become source too, when the graph is compiled. An expression here is
numbers, symbols, arithmetic and functions by name: nothing that has an attribute or a method.
Sources: `torch/_export/serde/serialize.py`, `torch/export/_unlift.py`, `torch/fx/graph.py`.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_MOST_CHARACTERS = 20_000  # of an expression; those of large models have some hundred
_HIGHEST_POWER = 64

NAME = re.compile(r"([A-Za-z_]\w*)?")  # of a node, an argument, an input
DOTTED = re.compile(r"[\w.\-/:+\[\],]*")  # of a weight, a module, a version
SYMBOL = re.compile(r"[a-z]{1,5}_?\d{1,9}|oo|int_oo|inf|nan|zoo|pi|E|true|false")
_KEYWORD = re.compile(
    r"positive|negative|nonnegative|nonpositive|nonzero|integer|real|evaluate|precision"
)
# Of sympy as `srepr` writes them, and PyTorch's own (`torch.utils._sympy.functions`).
_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Abs", "Mod",
    "Piecewise", "ExprCondPair", "Tuple", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality",
    "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "And", "Or",
    "Not", "floor", "ceiling", "sqrt", "Infinity", "NegativeInfinity", "IntInfinity",
    "NegativeIntInfinity", "BooleanTrue", "BooleanFalse", "One", "Zero", "Half", "NegativeOne",
    "FloorDiv", "ModularIndexing", "Where", "PythonMod", "CleanDiv", "CeilToInt", "FloorToInt",
    "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "LShift", "RShift",
    "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal",
    "ToFloat", "FloatPow", "PowByNatural", "Identity",
})  # fmt: skip
_OF_TENSORS = ("size", "stride", "storage_offset", "dim")  # methods that a guard may call
_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd,
    ast.Not, ast.And, ast.Or, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.BitAnd,
    ast.BitOr, ast.LShift, ast.RShift, ast.Is, ast.IsNot,
)  # fmt: skip

_NAMESPACES = "aten|prims|prim|quantized|quantized_decomposed|quantization|torchvision|torchaudio"
_HIGHER = (
    "cond|while_loop|while_loop_stack_output|scan|map|map_impl|associative_scan|out_dtype"
    "|wrap_with_set_grad_enabled|wrap_with_autocast|tag_activation_checkpoint"
    "|wrap_activation_checkpoint|invoke_subgraph|flex_attention|auto_functionalized"
    "|auto_functionalized_v2|strict_mode|hints_wrapper"
)
_PYTHON = (
    "add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|xor|invert"
    "|lshift|rshift|getitem|matmul|index"
)
_TARGET = re.compile(
    rf"torch\.ops\.({_NAMESPACES})\.(?!from_file\b|save\b)\w+(\.\w+)?"
    rf"|torch\.ops\.higher_order\.({_HIGHER})"
    rf"|_operator\.({_PYTHON})|math\.[a-z]\w*"
    r"|torch\._?sym_\w+|torch\._C\._set_grad_enabled"
    r"|torch\._functorch\.predispatch\.[_a-z]+_(nesting|level|dim|grad|dual)"
)


def is_target(text: str) -> bool:
    """It names an op that computes, of PyTorch or of Python's numbers."""
    return _TARGET.fullmatch(text) is not None


def is_expression(text: str) -> bool:
    """A dim's expression, in words as people write it or as sympy's `srepr` does."""
    tree = _parsed(text)
    return tree is not None and _is_plain(tree, guard=False)


def is_guard(text: str) -> bool:
    """A condition on sizes of inputs: `L['x'].size()[0] >= 2`."""
    tree = _parsed(text)
    return tree is not None and _is_plain(tree, guard=True)


def is_tree(text: str) -> bool:
    """How inputs or outputs nest: JSON, with JSON in its texts, that names no Python object."""
    try:
        return _is_plain_json(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _parsed(text: str) -> ast.expr | None:
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_plain(node: ast.expr, *, guard: bool) -> bool:
    """Every part of it is one of a few forms; a loop, since expressions may be deep."""
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _OPERATORS):
            continue
        inner = _inside(part, guard=guard)
        if inner is None:
            return False
        waiting += inner
    return True


def _inside(part: ast.AST, *, guard: bool) -> list[ast.AST] | None:
    """The parts of `part` that have to be looked at; None where it may not stand here."""
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
        return [part.left] if _is_low_power(part.left, part.right) else None
    if isinstance(part, ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare):
        return list(ast.iter_child_nodes(part))
    if isinstance(part, ast.Constant):
        return [] if isinstance(part.value, bool | int | float) else None
    if isinstance(part, ast.Name):
        return [] if SYMBOL.fullmatch(part.id) else None
    if isinstance(part, ast.Call):
        return _of_method(part) if guard and not isinstance(part.func, ast.Name) else _of_call(part)
    if guard and isinstance(part, ast.Subscript):
        return _of_subscript(part)
    return None


def _of_call(call: ast.Call) -> list[ast.AST] | None:
    if not isinstance(call.func, ast.Name) or call.func.id not in _FUNCTIONS:
        return None
    if any(keyword.arg is None or not _KEYWORD.fullmatch(keyword.arg) for keyword in call.keywords):
        return None
    if call.func.id == "Pow" and not (len(call.args) == 2 and _is_low_power(*call.args)):
        return None
    arguments = list(call.args)
    if call.func.id in ("Symbol", "Float") and arguments and _is_word(arguments[0]):
        arguments = arguments[1:]
    return [*arguments, *(keyword.value for keyword in call.keywords)]


def _of_method(call: ast.Call) -> list[ast.AST] | None:
    """`L['x'].size()`, `.stride()`: of an input, with numbers at most."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _OF_TENSORS:
        return None
    if call.keywords or not all(isinstance(each, ast.Constant) for each in call.args):
        return None
    return [call.func.value, *call.args] if isinstance(call.func.value, ast.Subscript) else None


def _of_subscript(part: ast.Subscript) -> list[ast.AST] | None:
    """`L['x']`, and a number or a word of that."""
    index = part.slice
    if not (isinstance(index, ast.Constant) and (type(index.value) is int or _is_word(index))):
        return None
    base = part.value
    if isinstance(base, ast.Attribute) and base.attr == "shape":
        base = base.value
    if isinstance(base, ast.Name):
        return [] if base.id == "L" else None
    return [base] if isinstance(base, ast.Subscript | ast.Call) else None


def _is_word(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[\w.+\-]{1,200}", node.value) is not None
    )


def _is_low_power(base: ast.expr, exponent: ast.expr) -> bool:
    """No tower of powers: sympy works numbers out to the last digit."""
    if isinstance(exponent, ast.Call) and len(exponent.args) == 1:
        exponent = exponent.args[0]  # Integer(2)
    if isinstance(exponent, ast.UnaryOp):
        exponent = exponent.operand
    low = isinstance(exponent, ast.Constant) and isinstance(exponent.value, int | float)
    return (
        low
        and abs(exponent.value) <= _HIGHEST_POWER  # type: ignore[attr-defined]
        and not any(
            (isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow))
            or (isinstance(inner, ast.Name) and inner.id == "Pow")
            for inner in ast.walk(base)
        )
    )


def _is_plain_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain_json(key) and _is_plain_json(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_plain_json, value))
    if not isinstance(value, str):
        return True
    if value[:1] in ("[", "{", '"'):
        return is_tree(value)
    return value != "__enum__" and re.search(r"['\"\\\n\r]", value) is None
