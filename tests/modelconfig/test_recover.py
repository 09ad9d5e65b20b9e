"""All faults of a config's text in one reading, and what the rest of it says."""

from __future__ import annotations

import pytest

from tests.modelconfig.texts import Writer
from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.read import parse_config
from trtbuild.modelconfig.recover import Recovered, recover


def told(text: str) -> tuple[list[str], Recovered]:
    found = recover(text, "config.pbtxt")
    return [f"{p.line}:{p.column} {p.kind}" for p in found.problems], found


LINES = """name: resnet
backend: "python"
max_batch_size 4
max_batchsize: 5
nonsense: { a: 1 b: [ { c: "}" } ] }
input { name: "x" data_type: TYPE_FLOAT32 dims: [4 5,] }
input { name: "y" data_type: NOTHING dims: [ "4" ] optional: maybe }
output { name: "z" dimensions: [ 4 ] data_type: TYPE_FP32 }
dynamic_batching { max_queue_delay_microseconds: -1 preserve_ordering = yes }
instance_group { kind: KIND_GPUU count: 99999999999 }
version_policy: latest
backend: "onnxruntime"
// the end
metric_tags { key: "k" value: "v" };;
"""
PLACES = [
    "1:7 syntax",
    "3:16 syntax",
    "4:1 unknown-field",
    "5:1 unknown-field",
    "6:30 unknown-value",
    "6:52 syntax",
    "6:54 syntax",
    "7:30 unknown-value",
    "7:46 syntax",
    "7:62 syntax",
    "8:20 unknown-field",
    "9:50 syntax",
    "9:71 syntax",
    "9:73 syntax",
    "10:24 unknown-value",
    "10:41 range",
    "11:17 syntax",
    "12:1 duplicate",
    "13:1 syntax",
    "14:37 syntax",
]


def test_every_fault_is_told_in_its_place() -> None:
    places, found = told(LINES)
    assert places == PLACES
    one, two = (reading.message for reading in found.readings)
    assert one.name == two.name == "resnet"
    assert one.input[0].data_type == two.input[0].data_type == 11  # TYPE_FP32 is the one answer
    assert one.input[1].data_type != two.input[1].data_type  # nobody knows
    assert list(one.input[0].dims) == [4, 5]
    assert list(one.output[0].dims) == [4]
    assert dict(one.metric_tags) == {"k": "v"}


def test_what_was_read_stands_where_it_stood() -> None:
    _, found = told(LINES)
    for reading in found.readings:
        assert reading.text == LINES
        span = reading.span("metric_tags")
        assert span is not None
        assert LINES[span.name : span.end] == 'metric_tags { key: "k" value: "v" }'
        assert str(reading.place("input[1].dims")) == "7:44"
        assert str(reading.place("output[0].data_type")) == "8:49"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('input { name: "x"\noutput { name: "y" }\n', ["2:1 unknown-field"]),  # it is not closed
        ('input { name: "x" }\n}\nmax_batch: 1\n', ["2:1 syntax"]),
        ('input name: "x" }\nmax_batch: 1\n', ["1:7 syntax"]),
        ('max_batch: 1\ninput {\n  name: "x"\n', ["1:1 unknown-field", "2:7 syntax"]),
    ],
)
def test_reading_ends_where_it_is_open_what_belongs_to_what(text: str, places: list[str]) -> None:
    found, recovered = told(text)
    assert found == places
    assert recovered.readings == ()


def test_one_fault_does_not_hide_seven() -> None:
    rest = [
        "max_batch_size: many",
        "input { name: 1 }",
        "outputs { }",
        "platform: plan",
        "instance_group { kind: GPUS }",
        "optimization { cuda { graphs: perhaps } }",
        "parameters { name: 'x' }",
    ]
    for first in rest:
        text = "\n".join([first, *(line for line in rest if line != first)])
        assert len(told(text)[0]) == 7


def test_any_text_is_read_on_and_its_first_fault_is_the_readers() -> None:
    broken = 0
    for seed in range(600):
        text = Writer(seed).text()
        try:
            parse_config(text)
        except ConfigSyntaxError as error:
            broken += 1
            found = recover(text, "config.pbtxt")
            assert error.offset in [problem.offset for problem in found.problems]
            assert len(found.readings) in (0, 2)
            for reading in found.readings:
                for spans in reading.index.values():
                    assert all(0 <= s.name <= s.end <= len(text) for s in spans)
    assert broken > 100
