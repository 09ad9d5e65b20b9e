"""What is wrong, where, and what was meant: each with its exact message."""

import pytest

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.read import parse_config

CASES = [
    (
        'name: "a"\nplattform: "b"',
        "c:2:1: ModelConfig has no field 'plattform'; did you mean 'platform'?",
        "unknown-field",
    ),
    (
        "input { data_type: TYPE_FLOAT32 }",
        "c:1:20: DataType has no value 'TYPE_FLOAT32'; did you mean TYPE_FP32?",
        "unknown-value",
    ),
    (
        "max_batch_size: 2147483648",
        "c:1:17: 2147483648 is out of range: it goes from -2147483648 to 2147483647",
        "range",
    ),
    ("max_batch_size: 8.5", "c:1:17: expected an integer of 32 bits, found '8.5'", "syntax"),
    ("max_batch_size: 8name", "c:1:17: expected an integer of 32 bits, found '8name'", "syntax"),
    ('max_batch_size: "8"', "c:1:17: expected a number, found a text", "syntax"),
    ("max_batch_size = 8", "c:1:16: expected ':' after 'max_batch_size', found '='", "syntax"),
    ("max_batch_size: +8", "c:1:17: expected a number, found '+'", "syntax"),
    ("max_batch_size: [8]", "c:1:17: expected a number, found '['", "syntax"),
    ("max_batch_size:", "c:1:16: expected a number, found the end of the file", "syntax"),
    ("max_batch_size: 8;;", "c:1:19: expected a field's name, found ';'", "syntax"),
    ("name: resnet", "c:1:7: expected a text in quotes, found 'resnet'", "syntax"),
    ('name: "resnet', "c:1:7: the text that starts here is not closed on its line", "syntax"),
    ('name: "a" "b', "c:1:11: the text that starts here is not closed on its line", "syntax"),
    (r'name: "C:\models"', r"c:1:7: '\m' is no escape", "syntax"),
    ('name: "a"\nname: "b"', "c:2:1: 'name' is given a second time", "duplicate"),
    (
        "dynamic_batching {}\nsequence_batching {}",
        "c:2:1: 'sequence_batching' and 'dynamic_batching' exclude each other, and both are given",
        "duplicate",
    ),
    ("input: 1", "c:1:8: expected '{', found '1'", "syntax"),
    ("input name", "c:1:7: expected '{' after 'input', found 'name'", "syntax"),
    ("input {\n  dims: 3\n", "c:1:7: this '{' is not closed: '}' is missing", "syntax"),
    ("input { dims: 3 >", "c:1:17: expected '}' for the '{' at 1:7, found '>'", "syntax"),
    ("input {} }", "c:1:10: expected a field's name, found '}'", "syntax"),
    (
        "input { dims: [3 4] }",
        "c:1:18: expected ',' or ']' in the list 'dims', found '4'",
        "syntax",
    ),
    ("input { dims: [3, 4,] }", "c:1:21: expected a number, found ']'", "syntax"),
    ("input { dims: [3, x] }", "c:1:19: expected an integer of 64 bits, found 'x'", "syntax"),
    (
        "input { dims: [" + "3, " * 50 + "x] }",
        "c:1:166: expected an integer of 64 bits, found 'x'",
        "syntax",
    ),
    ("input { dims [3] }", "c:1:14: expected ':' after 'dims', found '['", "syntax"),
    ("// none", "c:1:1: expected a field's name, found '/'", "syntax"),
    ("[a.b]: 1", "c:1:1: expected a field's name, found '['", "syntax"),
    ("\ufeffname: 'a'", "c:1:1: expected a field's name, found a byte order mark", "syntax"),
    (
        "näme: 'a'",
        "c:1:1: ModelConfig has no field 'n'",
        "unknown-field",
    ),
    (
        "name: 'a' é",
        "c:1:11: expected a field's name, found 'é', which may stand in texts and comments only",
        "syntax",
    ),
    ("name: 'a'\n\x00", "c:2:1: a NUL byte: this is no text file", "encoding"),
    ("\x01", "c:1:1: expected a field's name, found '\\x01'", "syntax"),
]


@pytest.mark.parametrize(("text", "message", "kind"), CASES, ids=[case[1] for case in CASES])
def test_message(text: str, message: str, kind: str) -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        parse_config(text, "c")
    assert (caught.value.message, caught.value.kind) == (message, kind)


def error(text: str) -> ConfigSyntaxError:
    with pytest.raises(ConfigSyntaxError) as caught:
        parse_config(text, "c")
    return caught.value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("input { nam: 1 }", "it has name, data_type, format, dims, reshape, is_shape_tensor, "),
        ("// none", "comments start with '#'"),
        ("max_batch_size: 8;;", "one ';' or ',' may follow a field, not two"),
        ("max_batch_size: +8", "a '+' is not written"),
        ("\ufeff", "save the file as UTF-8 without a byte order mark"),
        ("input { dims: [3,] }", "a list ends without a comma"),
        ('input { data_type: "TYPE_FP32" }', "write it without quotes"),
        ('name: "a', "write \\n for a line break"),
        (r'name: "\m"', r"there are \n \r \t"),
    ],
)
def test_hint(text: str, hint: str) -> None:
    assert error(text).hint.startswith(hint)


def test_what_a_fix_needs() -> None:
    found = error('name: "a"  # é\r\n  plattform: "b"\r\n')
    assert (found.suggestion, found.length, found.line, found.column) == ("platform", 9, 2, 3)
    assert found.sure
    assert found.source_line == '  plattform: "b"'
    assert (found.offset, found.file) == (18, "c")


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("input { shape: 3 }", True),
        ("input { shape: 3 dims: 4 }", False),
        ("input { dims: 4 shape: 3 }", False),
        ("input { dims: 4 }\ninput { shape: 3 reshape { shape: 3 } } input { dims: 1 }", True),
        ('input { shape: 3 name: "} dims" reshape { shape: 3 } dims: 3', False),
        ("input {}\ninputs {}", True),  # a list of messages may be given in parts
    ],
)
def test_another_name_is_not_sure_where_the_field_is_given_too(text: str, sure: bool) -> None:
    assert error(text).suggestion
    assert error(text).sure == sure


def test_the_line_is_shown_as_it_is_with_its_comment() -> None:
    assert error("name: 1 # one").source_line == "name: 1 # one"
