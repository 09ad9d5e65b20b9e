"""Real kills, real full disks, real read-only places, other writers."""

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.repository.content import content
from tests.repository.places import left_overs, mounted, tree
from trtbuild.artifacts import digest_of_files
from trtbuild.errors import RepositoryError
from trtbuild.repository import write
from trtbuild.repository.lock import read_lock
from trtbuild.repository.write import write_version, writer_lock


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
    made = content(folder, data=data, layers=data)
    write_version(repo, made, "replace" if i % 2 else "next")
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


def test_a_full_disk_amid_layer_files_leaves_everything_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place, "size=3m"):
        repo = place / "repo"
        write_version(repo, content(tmp_path / "c", layers=bytes(1000)))
        before = tree(repo)
        large = content(tmp_path / "c", data=bytes(1_000_000), layers=bytes(5_000_000))
        with pytest.raises(RepositoryError, match="No space left on device"):
            write_version(repo, large, "replace")
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
