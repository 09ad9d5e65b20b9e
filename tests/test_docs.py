"""The documents say what is so: links lead somewhere, pages match the code, the README runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import trtbuild
from tests.models import linear

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_page_of_commands_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs/commands.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_changelog_knows_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert text.index("## [Unreleased]") >= 0
    metadata = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{trtbuild.__version__}"' in metadata


def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    linear(tmp_path / "model.onnx")
    binary = Path(sys.executable).parent
    (block,) = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (command,) = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    done = subprocess.run(
        [binary / "trtbuild", *command.split()[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = [line.split()[0] for line in block.splitlines()[2:] if re.match(r"\d+\.\d", line)]
    assert [line.split()[0] for line in done.stdout.splitlines()[1:5]] == shown


def test_the_python_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    linear(tmp_path / "model.onnx")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(compile(code, "README.md", "exec"), {})
    assert list(tmp_path.glob("repo/*/1/*.plan"))


def test_the_options_that_the_readme_names_exist() -> None:
    known = set(re.findall(r"`(--[a-z-]+)`", (ROOT / "docs/commands.md").read_text()))
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", (ROOT / "README.md").read_text()))
    assert named - {"--help"} <= known
