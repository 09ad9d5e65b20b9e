"""Real kills, real full disks, real read-only places."""

import contextlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.repository.content import content
from trtbuild.artifacts import digest_of_files
from trtbuild.errors import RepositoryError, UsageError
from trtbuild.repository import write
from trtbuild.repository.destination import Mode
from trtbuild.repository.lock import read_lock
from trtbuild.repository.write import write_version, writer_lock


def tree(folder: Path) -> dict[str, str]:
    """Every file with its digest: what "as it was" means."""
    return {
        str(path.relative_to(folder)): digest_of_files(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".trtbuild.lock"
    }


@pytest.fixture(params=["beside", "mount point"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A repository whose model is staged beside it, and one where that is another file system."""
    repo = tmp_path / "repo"
    if request.param == "beside":
        yield repo
        return
    repo.mkdir()
    with mounted(repo, "size=20m"):
        yield repo


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own at `folder`."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def left_overs(repo: Path) -> list[Path]:
    return [
        path
        for path in [*repo.parent.iterdir(), *repo.rglob("*")]
        if "trtbuild" in path.name and not path.name.startswith("trtbuild.lock")
        if path.name != ".trtbuild.lock"
    ]


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


def test_another_writer_is_waited_for_and_then_named(repo: Path, tmp_path: Path) -> None:
    write_version(repo, content(tmp_path / "c"))
    with writer_lock(repo), pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c"), wait_s=0.2)
    assert caught.value.message == (
        f"another process is writing to the repository '{repo}' (waited 0.2 s)"
    )
    assert write_version(repo, content(tmp_path / "c"), wait_s=0.2).version == 2


_WRITER = """
import sys
from pathlib import Path
from tests.repository.content import content
from trtbuild.repository.write import write_version
repo, folder, count, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for i in range(count):
    data = bytes([i % 256]) * size
    write_version(repo, content(folder, data=data), "replace" if i % 2 else "next")
    print(i, flush=True)
"""


def writer(repo: Path, folder: Path, count: int, size: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", _WRITER, str(repo), str(folder), str(count), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_two_writers_take_turns(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    writers = [writer(repo, tmp_path / str(i), 10, 1000) for i in range(2)]
    assert [process.wait(60) for process in writers] == [0, 0]
    for process in writers:
        assert process.stdout is not None
        process.stdout.close()
    assert sorted(int(path.name) for path in (repo / "net").iterdir() if path.is_dir()) == list(
        range(1, 11)
    )
    check_sound(repo)


def check_sound(repo: Path) -> None:
    """Every version has all its files as locked, and the config is one that trtbuild wrote."""
    if not (repo / "net").exists():
        return
    versions = [path for path in (repo / "net").iterdir() if path.name.isdecimal()]
    assert versions
    digests = set()
    for version in versions:
        lock = read_lock(version)
        assert lock is not None
        assert {name: digest_of_files(version / name) for name in lock.files} == {
            name: file.digest for name, file in lock.files.items()
        }
        digests.add(lock.config_digest)
    assert digest_of_files(repo / "net/config.pbtxt") in digests


def test_a_kill_at_any_moment_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    random_ = random.Random(7)
    repo = tmp_path / "repo"
    for _ in range(25):
        process = writer(repo, tmp_path / "c", 1000, 3_000_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random_.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        check_sound(repo)
        assert not [path for path in repo.iterdir() if path.is_dir() and path.name != "net"]
        shutil.rmtree(repo / "net")
    write_version(repo, content(tmp_path / "c"))
    assert left_overs(repo) == []


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place, "size=3m"):
        repo = place / "repo"
        write_version(repo, content(tmp_path / "c", data=bytes(1_000_000)))
        before = tree(repo)
        with pytest.raises(RepositoryError) as caught:
            write_version(repo, content(tmp_path / "c", data=bytes(5_000_000)))
        assert caught.value.message == (
            f"cannot write to the repository '{repo}': No space left on device"
        )
        assert caught.value.hint == "free some space; nothing was changed"
        assert tree(repo) == before
        assert left_overs(repo) == []


def test_a_full_disk_and_a_new_model_leave_nothing(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    with mounted(repo, "size=1m"):
        with pytest.raises(RepositoryError, match="No space left on device"):
            write_version(repo, content(tmp_path / "c", data=bytes(5_000_000)))
        assert [path.name for path in repo.iterdir()] == [".trtbuild.lock"]


def test_a_file_that_may_not_grow_is_an_error_too(tmp_path: Path) -> None:
    """As a quota: the system refuses in the middle of a file."""
    made = content(tmp_path / "c", data=bytes(5_000_000))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limit[1]))
    try:
        with pytest.raises(RepositoryError, match="File too large"):
            write_version(tmp_path / "repo", made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (tmp_path / "repo/net").exists()


def test_a_read_only_repository(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    with mounted(repo, "size=1m,ro"), pytest.raises(RepositoryError) as caught:
        write_version(repo, content(tmp_path / "c"))
    assert caught.value.message == f"cannot write to the repository '{repo}': Read-only file system"
    assert caught.value.hint == "mount it for writing, or name another folder with --repo"


def test_what_is_put_into_the_folder_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    write_version(repo, content(tmp_path / "c"))
    appear = write._appear

    def late(staging: write._Staging, model: Path, number: int) -> None:
        (model / "late.txt").write_text("by hand")
        appear(staging, model, number)

    monkeypatch.setattr(write, "_appear", late)
    write_version(repo, content(tmp_path / "c"))
    assert (repo / "net/late.txt").read_text() == "by hand"


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
