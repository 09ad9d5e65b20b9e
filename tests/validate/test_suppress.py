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


def test_not_in_texts(judge: Judge) -> None:
    text = 'backend: "python"\nparameters { key: "# trtbuild: allow X" value { } }\n'
    assert judge(text) == ()


def test_also_in_a_config_that_cannot_be_read(judge: Judge) -> None:
    assert judge("# trtbuild: allow C001\nmax_batch_size 4\n") == ()
