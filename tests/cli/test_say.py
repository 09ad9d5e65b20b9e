"""Hostile words in every kind of file, as they reach a terminal: all commands run on a pty.

On a pipe some libraries strip escapes for reasons of their own.
"""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.models import linear, save
from trtbuild.cli import say

# Sets the title, begins a line as an error of ours, commands a CI, clears the screen by a C1
# character, writes from right to left.
HOSTILE = "\x1b]0;pwned\x07\nerror: pwned\n::error::pwned\n##[error]pwned\r\x9b2J\u202e"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_PROGRESS = re.compile(r"\x1b\[(\?25[lh]|[0-9]*[AK])")  # rich's bars: the cursor, lines of its own


def on_a_terminal(*arguments: str | Path, **variables: str) -> str:
    """What a command writes to a terminal, colours taken out."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "trtbuild", *map(str, arguments)]
    chunks: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunks.append(os.read(ours, 65536))
            except OSError:  # the last writer has gone
                return

    reader = threading.Thread(target=read)
    environment = os.environ | {"COLUMNS": "4000", "TERM": "xterm"} | variables
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        reader.start()
        reader.join(120)
    os.close(ours)
    return _COLOR.sub("", b"".join(chunks).decode("utf-8", "backslashreplace"))


def assert_harmless(written: str) -> None:
    text = _PROGRESS.sub("", written)
    for sign in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert sign not in text, repr(text)
    for each in re.split(r"[\r\n]+", text):
        assert not each.lstrip().startswith(("error: pwned", "::")), repr(text)
        assert "##[" not in each, repr(text)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX model with such words wherever it has words."""
    nodes = [helper.make_node("Relu", [f"x{HOSTILE}"], [f"y{HOSTILE}"], name=f"n{HOSTILE}")]
    spec = (TensorProto.FLOAT, ("batch", 8))
    path = save(tmp_path / "model.onnx", nodes, {f"x{HOSTILE}": spec}, {f"y{HOSTILE}": spec})
    made = onnx.load(path)
    made.producer_name, made.graph.name, made.doc_string = HOSTILE, HOSTILE, HOSTILE
    made.metadata_props.add(key=HOSTILE, value=HOSTILE)
    onnx.save(made, path)
    return path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose lock and config have them."""
    tmp_path = tmp_path_factory.mktemp("repository")
    cache = {"TRTBUILD_CACHE_DIR": str(tmp_path / "cache")}
    repository = tmp_path / "repository"
    done = subprocess.run(
        [sys.executable, "-m", "trtbuild", "convert", linear(tmp_path / "m.onnx"), "--repo",
         repository, "--name", "m", "--target", "8.9"], env=os.environ | cache, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (lock,) = repository.glob("m/**/*lock*.json")
    text = json.loads(lock.read_text())
    text["source"]["location"] = text["source"]["producer"] = HOSTILE
    text["options"]["precision"] = text["created"] = HOSTILE
    lock.write_text(json.dumps(text))
    config = repository / "m" / "config.pbtxt"
    config.write_text(
        config.read_text()
        + 'parameters { key: "\\033]0;pwned\\007\\nerror: pwned" }\nnonsense: 1\n'
    )
    return repository


@pytest.mark.parametrize("command", ["inspect", "inspect --json", "check", "check --json"])
def test_what_a_model_says(model: Path, command: str, tmp_path: Path) -> None:
    written = on_a_terminal(*command.split(), model, TRTBUILD_CACHE_DIR=str(tmp_path / "cache"))
    assert_harmless(written)


def test_what_a_conversion_says(model: Path, tmp_path: Path) -> None:
    written = on_a_terminal("convert", model, "--repo", tmp_path / "repo", "--target", "8.9",
                            TRTBUILD_CACHE_DIR=str(tmp_path / "cache"))  # fmt: skip
    assert_harmless(written)
    assert "pwned" in written


@pytest.mark.parametrize(
    "command",
    ["repo show", "repo show --json", "repo validate", "repo validate --format json",
     "repo validate --format sarif", "repo validate --format junit", "repo graph",
     "serve --check"],
)  # fmt: skip
def test_what_a_repository_says(repository: Path, command: str) -> None:
    assert_harmless(on_a_terminal(*command.split(), repository))


def test_the_words_are_there_in_another_form(model: Path, repository: Path) -> None:
    escaped = r"\x1b]0;pwned\x07\nerror: pwned\n::error::pwned"
    assert escaped in on_a_terminal("inspect", model)
    assert escaped in on_a_terminal("repo", "show", repository)


def test_annotations_are_the_findings_alone(repository: Path) -> None:
    written = on_a_terminal("repo", "validate", "--format", "github", repository)
    for each in written.splitlines():
        assert re.match(r"::(error|warning|notice) file=\S*config\.pbtxt,title=", each) or (
            each.startswith("::")
        ), each
        assert "pwned" not in each.partition("::")[2].partition("::")[0]
    assert "\x1b" not in written


def test_names_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b]0;pwned\x07"
    folder.mkdir()
    assert_harmless(on_a_terminal("inspect", folder / "none.onnx"))
    assert_harmless(on_a_terminal("inspect", linear(folder / "m.onnx")))
    (folder / "\x1b]0;pwned\x07" / "1").mkdir(parents=True)
    assert_harmless(on_a_terminal("repo", "show", folder))
    assert_harmless(on_a_terminal("repo", "validate", folder))


def test_nothing_else_of_the_command_line_prints() -> None:
    """One way out: what prints by another would print foreign words as they are."""
    found = []
    folder = Path(say.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in {"print", "typer.echo", "typer.secho", "sys.stdout.write",
                        "sys.stderr.write"}:  # fmt: skip
                found.append(file.name)
    assert set(found) - {"say.py"} == set()
