"""Real kills, real full disks, real read-only places."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.repository.content import content
from tests.repository.places import left_overs, tree
from trtbuild.artifacts import digest_of_files
from trtbuild.errors import RepositoryError, TrtbuildError, UsageError
from trtbuild.repository.destination import Mode
from trtbuild.repository.lock import read_lock
from trtbuild.repository.write import write_version


def test_a_first_version(repo: Path, tmp_path: Path) -> None:
    written = write_version(repo, content(tmp_path / "c"))
    assert written == (repo / "net", 1)
    assert sorted(path.name for path in (repo / "net/1").iterdir()) == [
        "model.onnx",
        "model.sm86.plan",
        "trtbuild.lock.json",
    ]
    assert (repo / "net/config.pbtxt").read_text() == 'name: "net"\n# 8.6 model.sm86.plan\n'
    lock = read_lock(repo / "net/1")
    assert lock is not None
    assert lock.version == 1
    assert lock.config_digest == digest_of_files(repo / "net/config.pbtxt")
    assert {name: file.digest for name, file in lock.files.items()} == {
        name: digest_of_files(repo / "net/1" / name) for name in ("model.onnx", "model.sm86.plan")
    }
    assert left_overs(repo) == []


def test_versions_count_up_and_nothing_is_lost(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c", data=b"one"))
    (repo / "net/README").write_text("by hand")
    (repo / "net/1/extra").write_text("by hand")
    (repo / "net/link").symlink_to("README")
    before = tree(repo)
    assert write_version(repo, content(tmp_path / "c", data=b"two")).version == 2
    assert write_version(repo, content(tmp_path / "c", data=b"x"), version=7).version == 7
    assert write_version(repo, content(tmp_path / "c", data=b"y")).version == 8
    after = tree(repo)
    assert {name: after[name] for name in before} == before
    assert (repo / "net/link").is_symlink()
    assert (repo / "net/2/model.sm86.plan").read_bytes() == b"two"
    assert left_overs(repo) == []


def test_a_version_that_is_there_is_not_overwritten(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c"))
    before = tree(repo)
    with pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c", data=b"new"), version=1)
    assert caught.value.message == "'net' has a version 1 already"
    assert tree(repo) == before


def test_replace_takes_the_latest_versions_place(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c", data=b"one"))
    write_version(repo, content(tmp_path / "c", data=b"two"))
    (repo / "net/2/stale").write_text("x")
    assert write_version(repo, content(tmp_path / "c", data=b"new"), "replace").version == 2
    assert (repo / "net/2/model.sm86.plan").read_bytes() == b"new"
    assert not (repo / "net/2/stale").exists()
    assert (repo / "net/1/model.sm86.plan").read_bytes() == b"one"
    assert left_overs(repo) == []


def test_add_keeps_the_plans_of_other_targets(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c", ["8.0", "8.6"], data=b"one", failed=["8.9", "7.5"]))
    added = write_version(repo, content(tmp_path / "c", ["8.9"], data=b"two"), "add")
    assert added.version == 1
    lock = read_lock(repo / "net/1")
    assert lock is not None
    assert [plan.file for plan in lock.plans] == ["model.sm80-sm86.plan", "model.sm89.plan"]
    assert [str(failure.target) for failure in lock.failures] == ["7.5"]
    assert sorted(lock.files) == ["model.onnx", "model.sm80-sm86.plan", "model.sm89.plan"]
    assert (repo / "net/config.pbtxt").read_text().splitlines()[1:] == [
        "# 8.0 model.sm80-sm86.plan",
        "# 8.6 model.sm80-sm86.plan",
        "# 8.9 model.sm89.plan",
    ]


def test_add_replaces_a_plan_whose_every_target_is_built_anew(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c", ["8.6"], data=b"one"))
    write_version(repo, content(tmp_path / "c", ["8.6", "8.9"], data=b"two"), "add")
    assert [path.name for path in (repo / "net/1").glob("*.plan")] == ["model.sm86-sm89.plan"]


def test_add_refuses_another_model(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c"))
    with pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c", ["8.9"], onnx="p" * 64), "add")
    assert caught.value.message == (
        "--add: what is added differs from version 1 of 'net' in the ONNX model"
    )


def test_add_without_a_version_to_add_to(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    with pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c"), "add")
    assert caught.value.message == (
        f"--add: there is no version 1 of 'net' in '{repo}' (versions: none)"
    )


def test_another_interface_is_refused(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c", width=3))
    with pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c", width=5))
    assert caught.value.message == (
        "version 1 of 'net' has other inputs or outputs, and all versions share one config: "
        "it has x fp32 [batch, 3] -> x fp32 [batch, 3]; "
        "this model has x fp32 [batch, 5] -> x fp32 [batch, 5]"
    )
    assert write_version(repo, content(tmp_path / "c", width=5), "replace").version == 1


def test_a_config_edited_by_hand_is_not_overwritten_unasked(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c"))
    config = repo / "net/config.pbtxt"
    config.write_text(config.read_text() + "# mine\n")
    modes: tuple[Mode, ...] = ("next", "add")
    for mode in modes:
        with pytest.raises(RepositoryError, match="was edited after trtbuild wrote it"):
            write_version(repo, content(tmp_path / "c", ["8.9"]), mode)
    write_version(repo, content(tmp_path / "c"), "replace")
    assert "# mine" not in config.read_text()


def test_a_model_written_by_hand_is_not_taken_over(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    (repo / "net/1").mkdir(parents=True)
    (repo / "net/config.pbtxt").write_text('backend: "python"')
    with pytest.raises(RepositoryError, match="was not written by trtbuild"):
        write_version(repo, content(tmp_path / "c"))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", ".hidden", "a b", "a\n"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a model"):
        write_version(tmp_path / "repo", content(tmp_path / "c", name=name))
    assert not (tmp_path / "repo").exists()


def test_a_repository_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "repo").write_text("x")
    with pytest.raises(RepositoryError, match=r"cannot be a folder: '.*/repo' is a file"):
        write_version(tmp_path / "repo", content(tmp_path / "c"))


def test_an_edit_in_place_reaches_neither_the_source_nor_another_version(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    made = content(tmp_path / "c", data=b"one")
    write_version(repo, made)
    write_version(repo, made)
    with (repo / "net/2/model.sm86.plan").open("rb+") as file:
        file.write(b"XXX")
    assert (repo / "net/1/model.sm86.plan").read_bytes() == b"one"
    assert made.files["model.sm86.plan"].read_bytes() == b"one"


def test_a_damaged_lock_is_named(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c"))
    (repo / "net/1/trtbuild.lock.json").write_text("{")
    with pytest.raises(RepositoryError, match=r"trtbuild.lock.json' is damaged"):
        write_version(repo, content(tmp_path / "c"))
    assert write_version(repo, content(tmp_path / "c"), "replace").version == 1


def test_the_lock_file_is_what_was_given(tmp_path: Path) -> None:
    made = content(tmp_path / "c")
    write_version(tmp_path / "repo", made)
    lock = read_lock(tmp_path / "repo/net/1")
    assert lock is not None
    filled_in = {"version": 0, "files": {}, "config_digest": ""}
    assert msgspec.structs.replace(lock, **filled_in) == made.lock


def rewritten(repo: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The lock of version 1, changed by somebody."""
    path = repo / "net/1/trtbuild.lock.json"
    lock = json.loads(path.read_text())
    change(lock)
    path.write_text(json.dumps(lock))


NAMES = ["../../../.bashrc", "../../victim", "{root}/victim", "..", "sub/victim"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["next", "add", "replace"])
def test_a_lock_of_somebody_elses_names_no_file_outside(
    tmp_path: Path, mode: Mode, name: str
) -> None:
    """A cloned repository, its plan said to lie in the user's home: nothing but the repository
    is written, whatever is done with it."""
    repo = tmp_path / "home/clone/repo"
    write_version(repo, content(tmp_path / "made", ["8.6"]))
    for victim in ("victim", "home/.bashrc", "home/clone/victim"):
        (tmp_path / victim).write_text("the user's own")
    name = name.format(root=tmp_path)

    def change(lock: dict[str, Any]) -> None:
        lock["plans"][0]["file"] = name
        lock["files"][name] = lock["files"]["model.sm86.plan"]

    rewritten(repo, change)
    outside = {k: v for k, v in tree(tmp_path).items() if not k.startswith("home/clone/repo")}
    if mode == "replace":  # the old lock is not believed, and needed for nothing
        write_version(repo, content(tmp_path / "made", ["8.9"]), mode)
        assert sorted(path.name for path in (repo / "net/1").iterdir()) == [
            "model.onnx", "model.sm89.plan", "trtbuild.lock.json",
        ]  # fmt: skip
    else:
        with pytest.raises(RepositoryError, match="is not believed"):
            write_version(repo, content(tmp_path / "made", ["8.9"]), mode)
    after = {k: v for k, v in tree(tmp_path).items() if not k.startswith("home/clone/repo")}
    assert after == outside


@pytest.mark.parametrize("linked", ["1/model.sm86.plan", "1"])
def test_what_a_link_in_the_repository_leads_to_is_not_copied_into_it(
    tmp_path: Path, linked: str
) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "made", ["8.6"]))
    (repo / "net" / linked).rename(tmp_path / "elsewhere")
    (repo / "net" / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrtbuildError, match="leads out"):
        write_version(repo, content(tmp_path / "made", ["8.9"]), "add")


def test_a_plan_that_was_swapped_is_not_locked_anew(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "made", ["8.6"]))
    (repo / "net/1/model.sm86.plan").write_bytes(b"evil")
    before = tree(repo)
    with pytest.raises(RepositoryError, match="is not the file that was written there"):
        write_version(repo, content(tmp_path / "made", ["8.9"]), "add")
    assert tree(repo) == before


@pytest.mark.parametrize("made", [
    lambda path: path.symlink_to("../victim"),
    lambda path: path.symlink_to("net/config.pbtxt"),
    lambda path: path.symlink_to("../nothing"),
    os.mkfifo,
    Path.mkdir,
    lambda path: path.symlink_to("/dev/null"),
], ids=["link", "link inside", "link to nothing", "fifo", "folder", "device"])  # fmt: skip
def test_the_writers_lock_is_a_plain_file(tmp_path: Path, made: Callable[[Path], object]) -> None:
    (tmp_path / "victim").write_text("the user's own")
    write_version(tmp_path / "repo", content(tmp_path / "made"))
    (tmp_path / "repo/.trtbuild.lock").unlink()
    made(tmp_path / "repo/.trtbuild.lock")
    with pytest.raises(RepositoryError, match="is no plain file"):
        write_version(tmp_path / "repo", content(tmp_path / "made"))
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("made", [
    os.mkfifo, Path.mkdir, lambda path: path.symlink_to("../../victim"),
    lambda path: path.symlink_to(path), lambda path: path.symlink_to("/dev/zero"),
], ids=["fifo", "folder", "link out", "circle", "device"])  # fmt: skip
def test_a_config_that_is_no_plain_file_is_neither_read_nor_written(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    (tmp_path / "victim").write_text("the user's own")
    config = tmp_path / "repo/net/config.pbtxt"
    write_version(tmp_path / "repo", content(tmp_path / "made"))
    config.unlink()
    made(config)
    with pytest.raises(TrtbuildError):
        write_version(tmp_path / "repo", content(tmp_path / "made"))
    if not config.is_dir() or config.is_symlink():
        write_version(tmp_path / "repo", content(tmp_path / "made"), "replace")
        assert config.is_file()
        assert not config.is_symlink()
    assert (tmp_path / "victim").read_text() == "the user's own"
