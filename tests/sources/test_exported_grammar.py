import pytest

from trtbuild.sources.exported_grammar import is_expression, is_guard, is_target, is_tree


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "s0",
        "s0 + 2*s1 - 1",
        "Symbol('s17', positive=True, integer=True)",
        "Add(Mul(Integer(4), Symbol('s77', positive=True, integer=True)), Integer(-1))",
        "FloorDiv(s0 - 1, 2) + 1",
        "Max(1, Mod(s0, 8))",
        "Pow(Symbol('s0'), Integer(2))",
        "Rational(1, 2)*u0",
        "Float('0.5', precision=53)",
        "Eq(s0, 4) | Ne(s1, 3)",
        "oo",
        "-int_oo",
    ],
)
def test_expressions(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exit()",
        "__import__('os').system('x')",
        "Symbol('s0').__class__",
        "s0.free_symbols",
        "Symbol(__import__)",
        "Symbol('x', cls=exit)",
        "Symbol('x', **{})",
        "Integer(*[1])",
        "preview(s0)",
        "lambdify(s0, s0)(1)",
        "S('exit()')",
        "(lambda: 1)()",
        "[s0 for s0 in s1]",
        "f'{exit()}'",
        "(s0 := 2)",
        "s0 if s1 else s2",
        "s0; s1",
        "9**9**9",
        "Pow(Pow(9, 64), 64)",
        "9**65",
        "9**s0",
        "Symbol('a\\'b')",
        "1" * 20_001,
        "(" * 10_000,
        "-" * 9_000 + "1",
    ],
)
def test_no_expressions(text: str) -> None:
    assert not is_expression(text)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("L['x'].size()[0] >= 2", True),
        ("L['args'][0].size()[1] % 2 == 0 and not L['x'].stride()[0] == 5", True),
        ("Eq(Mod(L['x'].size()[0], 2), 0)", True),
        ("L['x']['a key'].size()[0] == 1", False),
        ("L['x'].shape[0] <= L['y'].size()[1]", True),
        ("L['x'].numpy()[0] == 1", False),
        ("L['x'].size(exit())[0] == 1", False),
        ("L['x'].__class__ == 1", False),
        ("L[exit()] == 1", False),
        ("G['x'].size()[0] == 1", False),
        ('1 == 1 or "\\"), exit(), (\\"" == ""', False),
        ("exit() is None", False),
    ],
)
def test_guards(text: str, fits: bool) -> None:
    assert is_guard(text) is fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("torch.ops.aten.add.Tensor", True),
        ("torch.ops.aten.from_file.default", False),
        ("torch.ops.aten.save", False),
        ("torch.ops.higher_order.cond", True),
        ("torch.ops.higher_order.aoti_call_delegate", False),
        ("torch.ops.c10d.send.default", False),
        ("torch.ops.aten.add.Tensor.x", False),
        ("torch.ops.load_library", False),
        ("_operator.getitem", True),
        ("_operator.methodcaller", False),
        ("_operator.call", False),
        ("torch.os.system", False),
        ("torch.load", False),
        ("torch.hub.load", False),
        ("math.trunc", True),
        ("math.__loader__.x", False),
        ("torch.sym_max", True),
        ("torch._C._set_grad_enabled", True),
        ("torch._functorch.predispatch._vmap_increment_nesting", True),
        ("#ns:op", False),
    ],
)
def test_targets(text: str, fits: bool) -> None:
    assert is_target(text) is fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('[1, {"type": "builtins.tuple", "context": "null", "children_spec": []}]', True),
        ('[1, {"type": "builtins.dict", "context": "[\\"a b\\"]", "children_spec": []}]', True),
        ('[1, {"context": "{\\"__enum__\\": true, \\"fqn\\": \\"os:x\\"}"}]', False),
        ('[1, {"context": "{\\"\\\\u005f_enum__\\": true}"}]', False),
        ('[1, {"context": "[\\"a\': exit()\\"]"}]', False),
        ("not json", False),
        ("[" * 100_000, False),
    ],
)
def test_trees(text: str, fits: bool) -> None:
    assert is_tree(text) is fits
