"""Comments that allow findings."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge

BAD = 'backend: "python"\ninstance_group {{ count: -2 }}{}\n'


@pytest.mark.parametrize("word", ["G005", "g005", "negative-instance-count", "G005, I001: why not"])
def test_on_the_line(judge: Judge, word: str) -> None:
    codes = {f.code for f in judge(BAD.format(f"  # trtbuild: allow {word}"))}
    assert "G005" not in codes
    assert ("U001" in codes) == ("I001" in word)


def test_on_a_line_of_its_own_it_is_about_the_next(judge: Judge) -> None:
    text = 'backend: "python"\n# trtbuild: allow G005\n\n# other\ninstance_group { count: -2 }\n'
    assert judge(text) == ()
    assert {f.code for f in judge(text + "instance_group { count: -3 }\n")} == {"G005"}


def test_at_the_head_it_is_about_the_file(judge: Judge) -> None:
    text = "# trtbuild: allow G005 - the default is wanted\n" + BAD.format("") * 1
    assert judge(text) == ()


def test_of_a_file_it_silences_what_is_about_the_folder(judge: Judge) -> None:
    text = '-- demo/config.pbtxt --\n# trtbuild: allow L001\nbackend: "python"\n'
    assert judge(text) == ()


def test_elsewhere_it_is_unused(judge: Judge) -> None:
    found = judge('backend: "python"  # trtbuild: allow G005\n\ninstance_group { count: -2 }\n')
    assert [(f.code, f.line) for f in found] == [("U001", 1), ("G005", 3)]


@pytest.mark.parametrize("comment", ["allow nonsense", "allow", "ignore G005", "deny"])
def test_what_cannot_be_understood_is_said(judge: Judge, comment: str) -> None:
    assert "U002" in {f.code for f in judge(BAD.format(f" # trtbuild: {comment}"))}


LIST = """backend: "python"
input [
  {{ name: "a" data_type: TYPE_FP32 dims: 4 }},
  {{ name: "b" {} }}  # trtbuild: allow {}
]
"""


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("data_type: TYPE_INVALID dims: 4", "I002"),
        ("dims: 4", "I002"),
        ("data_type: TYPE_FP32 dims: []", "I003"),
        ("data_type: TYPE_FP32 dims: 4 reshape { shape: [ 3 ] }", "I006"),
    ],
)
def test_on_the_line_of_a_lists_element(judge: Judge, written: str, code: str) -> None:
    assert judge(LIST.format(written, code)) == ()


def test_on_the_line_of_the_value_that_is_of_no_use(judge: Judge) -> None:
    values = {"I001": 'name: ""', "I002": "data_type: TYPE_INVALID", "I003": "dims: [ ]"}
    good = {"I001": 'name: "a"', "I002": "data_type: TYPE_FP32", "I003": "dims: 4"}
    for code, value in values.items():
        lines = "\n".join({**good, code: f"{value} # trtbuild: allow {code}"}.values())
        assert judge(f'backend: "python"\ninput {{\n{lines}\n}}\n') == ()


def test_not_in_texts(judge: Judge) -> None:
    text = 'backend: "python"\nparameters { key: "# trtbuild: allow X" value { } }\n'
    assert judge(text) == ()


def test_also_in_a_config_that_cannot_be_read(judge: Judge) -> None:
    text = '# trtbuild: allow C001\nbackend: "python" max_batch_size 4\n'
    assert judge(text) == ()
