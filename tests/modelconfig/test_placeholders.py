"""Placeholders of templates, told as what they are."""

from __future__ import annotations

import pytest

from trtbuild.modelconfig.placeholders import placeholder_of
from trtbuild.modelconfig.recover import recover

FOUND = {
    "max_batch_size: ${max_batch_size}": "${max_batch_size}",
    "max_batch_size: {{ max_batch_size }}": "{{ max_batch_size }}",
    "max_batch_size: {max_batch_size}": "{max_batch_size}",
    "max_batch_size: $MAX": "$MAX",
    "max_batch_size: $(max.batch)": "$(max.batch)",
    "max_batch_size: @MAX_BATCH@": "@MAX_BATCH@",
    "max_batch_size: %MAX_BATCH%": "%MAX_BATCH%",
    "max_batch_size: %(max)s": "%(max)s",
    "max_batch_size: %d": "%d",
    "max_batch_size: <max batch size>": "<max batch size>",
    "max_batch_size: <%= n %>": "<%= n %>",
    "max_batch_size: __MAX__": "__MAX__",
    "max_batch_size: [[ n ]]": "[[ n ]]",
    "max_batch_size: MAX_BATCH": "MAX_BATCH",
    "max_batch_size: TODO": "TODO",
    "max_batch_size: ???": "???",
    'max_batch_size: #max_batch\nbackend: "b"': "#max_batch",
    'max_batch_size: "${n}"': "${n}",
    "input { dims: [ #channels, 4 ] }\noutput { }": "#channels",
    "input { dims: [ 3, ${H}, 4 ] }": "${H}",
    "input { dims: [ H ] }": "H",
    "input { data_type: TYPE_#DTYPE dims: [4] }\noutput { }": "#DTYPE",
    "input { data_type: TYPE_${DTYPE} }": "${DTYPE}",
    "input { data_type: TYPE_<T> }": "TYPE_<T>",
    "input { data_type: {dtype} }": "{dtype}",
    "name: ${name}": "${name}",
    "name: <name>": "<name>",
    "{% if gpu %}\nmax_batch_size: 1\n{% endif %}": "{% if gpu %}",
}
NOT = [
    "max_batch_size: many",
    "max_batch_size: 4 # the most\nbackend python",
    "input { data_type: FP32 }",
    "input { dims: { 4 } }",
    "dims [4] # [a, b]\n",
    "input { dims: [ 3, # channels\n x ] }",
    "optimization { graph { level: high } }",
    'backend: "a" # ${n}\nmax_batch_size 4',
    'name: "${name}"\nmax_batch_size 4',
    "version_policy: latest",
]


@pytest.mark.parametrize("text", FOUND)
def test_a_placeholder_is_the_cause(text: str) -> None:
    problem = recover(text, "config.pbtxt").problems[0]
    found = placeholder_of(problem, text)
    assert found is not None
    assert found.word == FOUND[text] == text[found.start : found.end]


@pytest.mark.parametrize("text", NOT)
def test_it_is_not(text: str) -> None:
    for problem in recover(text, "config.pbtxt").problems:
        assert placeholder_of(problem, text) is None


def test_each_of_several_is_told() -> None:
    text = "max_batch_size: ${N}\ninput { data_type: TYPE_#T dims: [ #C, ${H} ] }\noutput { }\n"
    problems = recover(text, "config.pbtxt").problems
    words = [found.word for p in problems if (found := placeholder_of(p, text)) is not None]
    assert words[:2] == ["${N}", "#T"]
