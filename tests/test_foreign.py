"""The gate for files that somebody else named, and that nothing goes round it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.path_words import same, words_made_paths
from trtbuild.errors import ForeignNameError
from trtbuild.foreign import (
    ANYWHERE,
    check_name,
    fence_of,
    open_file,
    open_inside,
    path_inside,
    read_file,
    read_inside,
)

ROOT = Path(__file__).parent.parent
GOOD = ["a", "a.b", "..a", "a..", "...", "a/b", "./a", "a//b", "a/", "a b", "\\", "ä", "a\nb", "-a"]
BAD = ["", ".", "/", "..", "../a", "a/../b", "a/..", "./..", "/etc/passwd", "//a", "a\0", "\0",
       "a" * 256, "ä" * 128, "/".join(["a"] * 4096), "\ud800"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`in` with a file, and beside it what nobody may reach from there."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "away").mkdir()
    (tmp_path / "away/file").write_bytes(b"secret")
    inside = tmp_path / "in"
    (inside / "sub").mkdir(parents=True)
    (inside / "file").write_bytes(b"content")
    (inside / "sub/file").write_bytes(b"deeper")
    return inside


@pytest.mark.parametrize("name", GOOD)
def test_names_in_a_folder(folder: Path, name: str) -> None:
    assert path_inside(folder, name).parent.is_relative_to(folder)


@pytest.mark.parametrize("name", BAD)
def test_names_that_lead_out_or_are_none(folder: Path, name: str) -> None:
    for ask in (check_name, lambda name: path_inside(folder, name, ANYWHERE),
                lambda name: open_inside(folder, name), lambda name: read_inside(folder, name, 9),
                ):  # fmt: skip
        with pytest.raises(ForeignNameError):
            ask(name)


@pytest.mark.parametrize("name", ["a/b", "a/", "./a", "a//b"])
def test_a_plain_name_is_in_no_sub_folder(name: str) -> None:
    check_name(name)
    with pytest.raises(ForeignNameError, match="sub-folder"):
        check_name(name, plain=True)


def linked(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


# What lies at `in/x`, to be asked for as `x` or `x/file`.
OUT: dict[str, Callable[[Path], object]] = {
    "an absolute link": lambda x: x.symlink_to(x.parent.parent / "secret"),
    "a relative link": lambda x: x.symlink_to("../secret"),
    "a link to a link": lambda x: x.symlink_to(linked(x.parent / "y", "../secret")),
    "a link to nothing outside": lambda x: x.symlink_to("/nowhere/at/all"),
    "a link by way of the outside": lambda x: x.symlink_to("../away/../secret"),
    "a link to the folder above": lambda x: x.symlink_to(".."),
    "a link to the root": lambda x: x.symlink_to("/"),
    "a link into the process": lambda x: x.symlink_to("/proc/self/environ"),
    "a link to a place beside, whose name begins alike": lambda x: x.symlink_to("../in-too"),
}  # fmt: skip


@pytest.mark.parametrize("what", OUT)
def test_links_that_lead_out(folder: Path, what: str) -> None:
    OUT[what](folder / "x")
    for name in ("x", "x/file", "x/x"):
        for ask in (path_inside, open_inside, partial(read_inside, most=99)):
            with pytest.raises(ForeignNameError, match="is a link that leads out"):
                ask(folder, name)
    assert path_inside(folder, "x", ANYWHERE) == folder / "x"


def test_links_within_the_fence(folder: Path) -> None:
    (folder / "x").symlink_to("sub/file")
    (folder / "y").symlink_to("../away")
    assert read_inside(folder, "x", 99) == b"deeper"
    fence = fence_of(folder, folder.parent / "away")
    assert read_inside(folder, "y/file", 99, fence) == b"secret"
    with pytest.raises(ForeignNameError):
        path_inside(folder, "y/file", fence_of(folder))
    assert not fence_of().holds(folder)


def test_a_folder_that_is_itself_a_link(folder: Path) -> None:
    """Its path is the user's own word."""
    (folder.parent / "link").symlink_to(folder)
    assert read_inside(folder.parent / "link", "sub/file", 99) == b"deeper"


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a fifo": os.mkfifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link in a circle": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_not_waited_for(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # a socket's path is short
    NO_FILES[what](Path("x"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for ask in (lambda: open_inside(folder, "x"), lambda: open_file(folder / "x"),
                lambda: read_inside(folder, "x", 9), lambda: read_file(folder / "x", 9),
                ):  # fmt: skip
        with pytest.raises(OSError, match=str(folder)):
            ask()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/tty"])
def test_a_device_is_no_file(device: str) -> None:
    with pytest.raises(OSError, match=device):
        read_file(Path(device), 9)


def test_reading_has_a_bound(folder: Path) -> None:
    assert read_inside(folder, "file", 7) == read_file(folder / "file", 7) == b"content"
    with pytest.raises(OSError, match="larger than 6 bytes"):
        read_inside(folder, "file", 6)
    os.truncate(folder / "file", 1 << 40)  # a sparse file of a TiB
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_file(folder / "file", 1 << 20)


def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening: what was looked at is what is opened."""
    real = os.path.realpath

    def swapped(path: Path) -> str:
        found = real(path)
        if path == folder / "sub/file" and (folder / "sub").is_dir():
            (folder / "sub").rename(folder / "old")
            (folder / "sub").symlink_to("../away")
        return found

    monkeypatch.setattr(os.path, "realpath", swapped)
    with pytest.raises(OSError, match="Not a directory"):
        open_inside(folder, "sub/file")


# Nothing else makes a path of a word

KNOWN = ROOT / "tests/path_words.txt"
MODULES = sorted(
    path for root in ("trtbuild", "serve/trtserve") for path in (ROOT / root).rglob("*.py")
)


def known() -> dict[str, list[str]]:
    """File -> what is known of it."""
    found: dict[str, list[str]] = {}
    for line in KNOWN.read_text().splitlines():
        if line and not line.startswith("# "):
            file, _, place = line.partition(": ")
            found.setdefault(file, []).append(place)
    return found


def test_nothing_else_makes_a_path_of_a_word() -> None:
    """Every place where a word becomes a path is the gate's, or is known with its reason."""
    unknown, seen = [], set()
    table = {(file, same(place)): place for file, places in known().items() for place in places}
    for module in MODULES:
        file = module.relative_to(ROOT).as_posix()
        if file == "trtbuild/foreign.py":
            continue
        for place in words_made_paths(module.read_text()):
            seen.add((file, same(place)))
            if (file, same(place)) not in table:
                unknown.append(f"{file}: {place}")
    assert not unknown, (
        "a file name that is not ours goes through trtbuild.foreign.path_inside; where the word is "
        f"ours, tests/path_words.txt says why: {unknown}"
    )
    assert not {table[key] for key in table.keys() - seen}, "no longer there: take it out"


@pytest.mark.parametrize("planted", [
    "folder / lock.plans[0].file",
    "folder / config.default_model_filename",
    "folder / f'{name}.plan'",
    "folder /= name",
    "repo / 'models' / name / '1'",
    "folder.joinpath(name)",
    "folder.joinpath('1', name)",
    "folder.with_name(name)",
    "folder.with_stem(name)",
    "folder.glob(pattern)",
    "Path(name)",
    "Path(folder, name)",
    "pathlib.Path(name)",
    "PurePosixPath(name)",
    "PosixPath(name)",
    "Path(*parts)",
    "Path(f'{folder}/{name}')",
    "f'{folder}/{name}'",
    "f'/srv/{name}'",
    "folder + '/' + name",
    "'/'.join((folder, name))",
    "os.sep.join((folder, name))",
    "'%s/%s' % (folder, name)",
    "'{}/{}'.format(folder, name)",
    "os.path.join(folder, name)",
    "open(name)",
    "open(file=name)",
    "io.open(name)",
    "os.open(name, os.O_RDONLY)",
    "os.stat(name)",
    "os.listdir(name)",
    "os.rename(ours, name)",
    "os.stat('x', dir_fd=folder)",
    "os.chdir(name)",
    "shutil.copyfile(ours, name)",
    "shutil.rmtree(name)",
    "np.memmap(name)",
    "np.load(name)",
    "onnx.load(name)",
    "zipfile.ZipFile(name)",
    "ctypes.CDLL(name)",
    "Path.__truediv__(folder, name)",
    "operator.truediv(folder, name)",
    "o.truediv(folder, name)",
    "getattr(os, 'open')(name)",
    "import pathlib",
    "import pathlib as p",
    "import os.path as p",
    "import os as o",
    "import shutil as s",
    "from pathlib import Path as P",
    "from os import path",
    "from os import open as o",
    "from os.path import join",
    "from shutil import copyfile",
    "from operator import truediv",
])  # fmt: skip
def test_planted_ways_round_the_gate_are_seen(planted: str) -> None:
    source = f"def f(folder, name):\n    {planted}\n"
    assert list(words_made_paths(source)), planted


@pytest.mark.parametrize("ours", [
    "folder / 'config.pbtxt'",
    "folder / CONFIG",
    "folder / layout.LOCK",
    "folder / f'{CONFIG}.old'",
    "Path('/proc')",
    "folder.with_name('x')",
    "'a' + name",
    "', '.join(names)",
    "f'{one}, {other}'",
    "path_inside(folder, name)",
    "size / 2",
    "from pathlib import Path",
    "import os",
])  # fmt: skip
def test_what_is_written_there_is_no_word_of_somebody_elses(ours: str) -> None:
    assert not list(words_made_paths(ours))
