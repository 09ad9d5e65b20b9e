"""Seen at work: a worker in a sandbox tries, and the kernel refuses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trtbuild.errors import TrtbuildError
from trtbuild.workers.pool import Pool, Worker
from trtbuild.workers.sandbox import Sandbox, support

TOUCH = "tests.workers.calls:touch"
SUPPORT = support()
needs_landlock = pytest.mark.skipif(
    not SUPPORT.landlock, reason="this kernel has no Landlock: files are not kept from workers"
)
needs_seccomp = pytest.mark.skipif(
    SUPPORT.network != "seccomp", reason="no seccomp here: the network is not kept from workers"
)


class Folders:
    """Some that a worker is let into, and one that it is not."""

    def __init__(self, root: Path) -> None:
        self.own, self.readable, self.others = root / "own", root / "readable", root / "home"
        for folder in (self.own, self.readable, self.others):
            (folder / "inner").mkdir(parents=True)
            (folder / "secret").write_text("secret")
        (self.own / "link").symlink_to(self.others / "secret")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def worker(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv("CI_TOKEN", "secret")
    monkeypatch.setenv("ORT_SECRET", "secret")
    sandbox = Sandbox(read=(str(folders.readable),), write=(str(folders.own),))
    with Pool() as pool:
        yield pool.start(sandbox=sandbox)


@needs_landlock
@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("read", "home/secret"),
        ("list", "home"),
        ("read", "own/link"),
        ("read in a thread", "home/secret"),
        ("write", "home/new"),
        ("write", "home/secret"),
        ("append", "home/secret"),
        ("make a folder", "home/new"),
        ("remove", "home/secret"),
        ("write", "readable/new"),
        ("write", "readable/secret"),
        ("remove", "readable/secret"),
        ("write", "new"),
    ],
)
def test_what_is_not_its_own_is_refused(
    worker: Worker, folders: Folders, tmp_path: Path, how: str, name: str
) -> None:
    assert worker.call(TOUCH, str, how=how, path=str(tmp_path / name)) == "EACCES"
    assert (folders.others / "secret").read_text() == "secret"
    assert (folders.readable / "secret").read_text() == "secret"


@pytest.mark.skipif(SUPPORT.landlock < 3, reason="Landlock here does not know truncation")
def test_what_is_not_its_own_is_not_cut_short(worker: Worker, folders: Folders) -> None:
    path = str(folders.others / "secret")
    assert worker.call(TOUCH, str, how="truncate", path=path) == "EACCES"


@needs_landlock
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", str(Path.home()), "/tmp", "/"])
def test_the_users_and_the_systems_own_files_are_hidden(worker: Worker, path: str) -> None:
    how = "list" if Path(path).is_dir() else "read"
    assert worker.call(TOUCH, str, how=how, path=path) == "EACCES"


@needs_landlock
def test_a_process_that_it_starts_is_in_it_too(worker: Worker, folders: Folders) -> None:
    with pytest.raises(Exception, match="returned non-zero exit status"):
        worker.call(TOUCH, str, how="read in a process", path=str(folders.others / "secret"))


@needs_landlock
def test_other_processes_are_hidden(worker: Worker) -> None:
    """Their environment has tokens, and their memory more."""
    for file in ("environ", "maps", "mem"):
        path = f"/proc/{os.getpid()}/{file}"
        assert worker.call(TOUCH, str, how="read", path=path) == "EACCES"


@pytest.mark.skipif(SUPPORT.landlock < 6, reason="Landlock here does not know signals")
def test_other_processes_get_no_signal(worker: Worker) -> None:
    assert worker.call(TOUCH, str, how="signal", path=str(os.getpid())) == "EPERM"


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("read", "own/secret"),
        ("write", "own/new"),
        ("write", "own/inner/new"),
        ("truncate", "own/secret"),
        ("rename into", "own/secret"),
        ("make a folder", "own/new"),
        ("remove", "own/secret"),
        ("read", "readable/secret"),
        ("list", "readable"),
    ],
)
def test_its_own_is_its_own(worker: Worker, tmp_path: Path, how: str, name: str) -> None:
    assert worker.call(TOUCH, str, how=how, path=str(tmp_path / name)) == "done"


@needs_seccomp
@pytest.mark.parametrize("how", ["tcp", "tcp6", "unix", "netlink", "io_uring"])
def test_there_is_no_network(worker: Worker, how: str) -> None:
    assert worker.call(TOUCH, str, how=how, path="") == "EACCES"


@needs_seccomp
def test_a_gpus_driver_may_talk_to_its_services(folders: Folders) -> None:
    with Pool() as pool:
        worker = pool.start(sandbox=Sandbox(gpu=True))
        found = {
            how: worker.call(TOUCH, str, how=how, path="") for how in ("unix", "tcp", "netlink")
        }
        shared = worker.call(TOUCH, str, how="list", path="/dev/shm")
        hidden = worker.call(TOUCH, str, how="read", path=str(folders.others / "secret"))
    assert found == {"unix": "done", "tcp": "EACCES", "netlink": "EACCES"}
    assert shared == "done"
    assert hidden == ("EACCES" if SUPPORT.landlock else "done")


def test_of_the_environment_only_what_frameworks_read(worker: Worker) -> None:
    there = worker.call("tests.workers.calls:environment", dict[str, str])
    assert not {"CI_TOKEN", "ORT_SECRET"} & there.keys()
    assert there["PATH"] == os.environ["PATH"]


def test_the_doctor_says_what_is_used_and_what_is_not_there(tmp_path: Path) -> None:
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    assert (SUPPORT.landlock > 0) or SUPPORT.missing
    assert release >= (5, 13) or not SUPPORT.landlock
    done = subprocess.run(
        [sys.executable, "-m", "trtbuild", "doctor"],
        text=True,
        capture_output=True,
        check=True,
        timeout=300,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("sandbox of workers"))
    assert ("Landlock" in line) == bool(SUPPORT.landlock)
    assert ("seccomp" in line) == (SUPPORT.network == "seccomp")
    assert all(missing in done.stdout for missing in SUPPORT.missing)


def test_memory_is_bounded() -> None:
    with Pool() as pool:
        worker = pool.start(sandbox=Sandbox(memory_bytes=1 << 30))
        assert worker.call("tests.workers.calls:take", int, size=1 << 20) == 1 << 20
        with pytest.raises(TrtbuildError, match="too little memory"):
            worker.call("tests.workers.calls:take", int, size=2 << 30)
        assert worker.call("tests.workers.calls:take", int, size=1 << 20) == 1 << 20
