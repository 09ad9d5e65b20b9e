"""Ensembles as text, Mermaid, DOT and SVG."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.errors import MissingPackageError, RepositoryError
from trtbuild.validate.graph import render
from trtbuild.validate.model import Model
from trtbuild.validate.targets import ensembles_of


@pytest.fixture
def ensembles(tmp_path: Path) -> list[Model]:
    write(tmp_path, files_of(ENSEMBLE))
    return ensembles_of(tmp_path, None)


def test_text(ensembles: list[Model]) -> None:
    assert render(ensembles, "text") == (
        "pipeline: RAW -> SCORES\n"
        "  0 decode: RAW (bytes) -> image\n"
        "  1 classify: image (x) -> SCORES (y)\n"
    )
    assert render([], "text") == "no ensembles\n"


def test_mermaid(ensembles: list[Model]) -> None:
    shown = render(ensembles, "mermaid")
    assert 'e0in -- "RAW" --> e0s0' in shown
    assert 'e0s0 -- "image" --> e0s1' in shown
    assert 'e0s1 -- "SCORES" --> e0out' in shown


def test_names_are_escaped(tmp_path: Path) -> None:
    text = ENSEMBLE.replace('"image"', '"a\\"b]"').replace('key: "a\\"b]"', 'key: "image"')
    write(tmp_path, files_of(text))
    made = ensembles_of(tmp_path, None)
    assert '"a#34;b#93;"' in render(made, "mermaid")
    assert '[label="a\\"b]"]' in render(made, "dot")


def test_dot(ensembles: list[Model]) -> None:
    shown = render(ensembles, "dot")
    assert shown.count("{") == shown.count("}")
    assert 'e0s0 -> e0s1 [label="image"];' in shown


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_svg_of_the_real_dot(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE.replace("SCORES", "a < b & \\303\\251")))
    drawn = ET.fromstring(render(ensembles_of(tmp_path, None), "svg"))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    groups = [group.get("class") for group in drawn.iter("{http://www.w3.org/2000/svg}g")]
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert (groups.count("node"), groups.count("edge"), groups.count("cluster")) == (4, 3, 1)
    assert texts == {"inputs", "outputs", "pipeline", "decode", "classify"} | {
        *("RAW", "image", "a < b & é")
    }


def test_svg_without_dot_says_what_to_do(
    ensembles: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackageError, match="needs Graphviz's program 'dot'") as error:
        render(ensembles, "svg")
    assert error.value.hint == "apt install graphviz, or use --format mermaid or dot"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo syntax error >&2; exit 1", "dot failed: syntax error"),
        ("exec sleep 60", "dot did not end within 0.2 s"),
    ],
)
def test_a_dot_that_fails(
    script: str,
    message: str,
    ensembles: list[Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "bin/dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    monkeypatch.setattr("trtbuild.validate.graph._DOT_TIMEOUT_S", 0.2)
    with pytest.raises(RepositoryError, match=message):
        render(ensembles, "svg")
