"""The text report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.files import write
from tests.validate.formats.reports import report
from trtbuild.validate.formats.text import render
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings


def test_groups_by_model_with_excerpt_caret_help_and_counts(tmp_path: Path) -> None:
    write(tmp_path, {"m/config.pbtxt": b'backend: "x"\nmax_batch_size: -12\n', "m/1/": b""})
    shown = render(validate([tmp_path], Settings()))
    assert shown == (
        "m\n"
        "  error I013 negative-max-batch-size: max_batch_size is -12; it is 0 for a model that "
        "does not batch, else the largest batch\n"
        f"    {tmp_path}/m/config.pbtxt:2:17\n"
        "    2 | max_batch_size: -12\n"
        "      |                 ^^^\n"
        "    help: an unlimited batch does not exist; write the largest one the model can take\n"
        "1 error, 0 warnings, 0 info in 1 model\n"
    )


def test_prints_no_control_characters(tmp_path: Path) -> None:
    shown = render(report(tmp_path))
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert shown.endswith(" in 4 models\n")


def test_colors_on_request(tmp_path: Path) -> None:
    assert "\033[31merror\033[0m" in render(report(tmp_path), color=True)


def test_a_long_line_is_shown_around_the_place(tmp_path: Path) -> None:
    text = 'backend: "x" ' + "  " * 500 + "max_batch_size: -12" + " " * 500 + "\n"
    write(tmp_path, {"m/config.pbtxt": text.encode(), "m/1/": b""})
    lines = render(validate([tmp_path], Settings())).splitlines()
    excerpt, caret = lines[3], lines[4]
    assert len(excerpt) < 120
    assert excerpt[caret.index("^") :].startswith("-12")


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (b'backend: "\x01\x02x" max_batch_size: -12\n', "-12"),
        (b'backend: "x" name: "\x01\x02"\n', r'"\x01\x02"'),
        ('backend: "x"\n'.encode("utf-16"), r"\x00"),
        ('backend: "\x01"\n'.encode("utf-16-be"), r"\x00"),
        (b'backend: "x" # \xff\n"', '"'),
    ],
)
def test_the_caret_counts_what_is_escaped(tmp_path: Path, content: bytes, about: str) -> None:
    write(tmp_path, {"m/config.pbtxt": content, "m/1/": b""})
    lines = render(validate([tmp_path], Settings(select=("I013", "L007", "C")))).splitlines()
    place = next(number for number, line in enumerate(lines) if "^" in line)
    start, end = lines[place].index("^"), lines[place].rindex("^") + 1
    assert lines[place - 1][start:end] == about
