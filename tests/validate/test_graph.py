"""Ensembles as text, Mermaid, DOT and SVG."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.errors import MissingPackageError
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


def test_svg(ensembles: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("dot"):
        assert ET.fromstring(render(ensembles, "svg")).tag.endswith("svg")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackageError, match="needs Graphviz's program 'dot'"):
        render(ensembles, "svg")
