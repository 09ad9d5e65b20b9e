"""The reader accepts what C++ protobuf accepts, and reads the same values.

`cpp_verdicts.json` holds texts (each byte as one character) and what C++ protobuf 3.21.12's
TextFormat made of them: the message's bytes, or null where it refused. A tritonserver 2.51 gave
the same verdict on each, but for fields that its older schema has not.
"""

import json
from pathlib import Path

import pytest
from google.protobuf import text_format

from tests.modelconfig.texts import Writer
from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.read import parse_config
from trtbuild.modelconfig.schema import Config, new_config

VERDICTS = json.loads((Path(__file__).parent / "cpp_verdicts.json").read_text())


def read(text: bytes | str) -> Config | None:
    try:
        return parse_config(text).message
    except ConfigSyntaxError:
        return None


def python_reads(text: str) -> Config | None:
    try:
        return text_format.Parse(text, new_config())
    except (text_format.ParseError, ValueError):  # the latter for enums beyond 32 bits
        return None


def test_verdicts_and_values_are_those_of_cpp() -> None:
    accepted = 0
    for text, message in VERDICTS:
        content = text.encode("latin-1")
        config = read(content)
        assert (config is None) == (message is None), content
        if config is None or parse_config(content).not_utf8:
            continue
        accepted += 1
        expected = new_config()
        expected.ParseFromString(bytes.fromhex(message))
        # As text, since NaN is not equal to itself.
        assert str(config) == str(expected), content
    assert accepted > 300


def test_agrees_with_pythons_text_format() -> None:
    for seed in range(2000):
        text = Writer(seed).text()
        assert str(read(text)) == str(python_reads(text)), text


def test_half_of_the_texts_are_valid() -> None:
    valid = sum(read(Writer(seed).text()) is not None for seed in range(300))
    assert 90 < valid < 210


# That is how Python's reader, which leaves escapes to Python, takes those that C++ refuses.
@pytest.mark.filterwarnings("ignore:invalid (octal )?escape sequence:DeprecationWarning")
@pytest.mark.parametrize(
    ("text", "cpp_accepts", "reason"),
    [
        ('name: "\\400"', True, "an octal escape is cut to a byte"),
        (r'name: "\ud83d\ude00"', True, "two escapes make one character beyond the first plane"),
        (r'name: "\U00110000"', True, "code points go up to 0x1fffff"),
        (r'name: "\xff"', True, "texts need not be UTF-8"),
        (r'name: "\c"', False, "an unknown escape is an error"),
        (r'name: "\X41"', False, "the x of a hex escape is small"),
        ("input { data_type: 013 }", True, "the number of an enum may be octal"),
        ("max_batch_size: 1_0", False, "digits have no underscores"),
        ("max_batch_size: 0b1", False, "there are no binary numbers"),
        ("model_transaction_policy { decoupled: 01 }", True, "a boolean is any integer 0 or 1"),
        ("optimization { gather_kernel_buffer_threshold: -0 }", False, "unsigned has no sign"),
        ('metric_tags { key: "" key: "a" }', False, "an entry knows that its key was given"),
        ("# \0", False, "NUL ends a comment and is no token"),
    ],
)
def test_where_cpp_and_python_differ_it_is_with_cpp(
    text: str, cpp_accepts: bool, reason: str
) -> None:
    assert reason
    assert (python_reads(text) is None) == cpp_accepts
    assert (read(text) is not None) == cpp_accepts


def test_bytes_that_are_no_utf8_are_replaced_and_noted() -> None:
    parsed = parse_config(b'# \xff\nname: "caf\xe9"\nparameters { key: "\\xff" }')
    assert parsed.message.name == "caf\ufffd"
    assert [str(parsed.lines.place(offset)) for offset in parsed.not_utf8] == ["2:7", "3:19"]


def test_escaped_bytes_may_make_utf8_together() -> None:
    parsed = parse_config(r'name: "\xc3" "\xa9"')
    assert (parsed.message.name, parsed.not_utf8) == ("é", ())
