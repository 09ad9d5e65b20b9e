"""Against real processes: crashes, kills and ctrl-C are real faults."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trtbuild.artifacts import Progress, Range
from trtbuild.errors import OutOfTimeError, PlanError, TrtbuildError, WorkerDiedError
from trtbuild.workers.pool import Pool, Worker, WorkerBugError

CALLS = "tests.workers.calls"


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Pool() as pool:
        yield pool.start()


def test_values_and_structs_go_there_and_back(worker: Worker) -> None:
    assert worker.call(f"{CALLS}:add", int, a=1, b=2) == 3
    shape = Range((1,), (2,), (3,))
    assert worker.call(f"{CALLS}:widen", Range, shape=shape, by=2) == Range((1,), (2,), (6,))


def test_a_worker_keeps_its_state_between_calls(worker: Worker) -> None:
    assert worker.call(f"{CALLS}:remember", list[int], value=1) == [1]
    assert worker.call(f"{CALLS}:remember", list[int], value=2) == [1, 2]


def test_progress_arrives_in_order(worker: Worker) -> None:
    seen: list[Progress] = []
    assert worker.call(f"{CALLS}:count", str, seen.append, to=3) == "done"
    assert seen == [Progress("counting", "up", step, 3) for step in (1, 2, 3)]


def test_what_a_framework_prints_is_no_answer(worker: Worker) -> None:
    assert worker.call(f"{CALLS}:chatter", int) == 1
    assert worker.stderr_tail().splitlines() == [
        "the framework says hello",
        "and so does its child",
    ]


def test_an_error_keeps_its_type_and_hint(worker: Worker) -> None:
    with pytest.raises(PlanError) as caught:
        worker.call(f"{CALLS}:refuse", int)
    assert (caught.value.message, caught.value.hint) == ("no plan", "try another target")
    assert worker.call(f"{CALLS}:add", int, a=1, b=1) == 2  # the worker goes on


@pytest.mark.parametrize(("call", "says"), [("bug", "ours"), ("unsendable", "Unsendable")])
def test_a_bug_shows_the_workers_traceback(worker: Worker, call: str, says: str) -> None:
    with pytest.raises(WorkerBugError, match=says) as caught:
        worker.call(f"{CALLS}:{call}", int)
    assert "Traceback" in str(caught.value)


def test_a_full_disk_is_no_bug_of_ours(worker: Worker) -> None:
    with pytest.raises(TrtbuildError, match="No space left on device"):
        worker.call(f"{CALLS}:fill_the_disk", int)
    with pytest.raises(WorkerBugError, match="No such file"):
        worker.call(f"{CALLS}:lose_a_file", int)


def test_temporary_files_of_frameworks_go_with_the_pool() -> None:
    with Pool() as pool:
        left = Path(pool.start().call(f"{CALLS}:leave_a_file", str))
        assert left.exists()
    assert not left.parent.exists()


def test_a_crash_in_a_native_library_is_an_error_with_its_last_words(worker: Worker) -> None:
    with pytest.raises(WorkerDiedError) as caught:
        worker.call(f"{CALLS}:crash", int)
    assert caught.value.message.startswith("the worker process was ended by SIGSEGV")
    assert "about to read address 0" in caught.value.message
    with pytest.raises(WorkerDiedError):
        worker.call(f"{CALLS}:add", int, a=1, b=1)


def test_an_exit_without_an_answer_is_an_error(worker: Worker) -> None:
    with pytest.raises(WorkerDiedError, match=r"^the worker process was ended with exit code 7"):
        worker.call(f"{CALLS}:leave", int)


def test_kill_9_is_an_error_that_says_so(worker: Worker) -> None:
    def kill(progress: Progress) -> None:
        os.kill(progress.done, signal.SIGKILL)

    with pytest.raises(WorkerDiedError, match="ended by SIGKILL") as caught:
        worker.call(f"{CALLS}:sleep", int, kill, seconds=60)
    assert caught.value.hint == "nothing says that memory ran out: look for who sends SIGKILL here"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int, within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)


def test_leaving_the_pool_ends_workers_and_what_they_started() -> None:
    started: list[int] = []
    ready = threading.Event()

    def note(progress: Progress) -> None:
        started.append(progress.done)
        ready.set()

    def call(worker: Worker) -> None:
        with pytest.raises(WorkerDiedError):
            worker.call(f"{CALLS}:sleep_with_child", int, note, seconds=60)

    with Pool() as pool:
        worker = pool.start()
        thread = threading.Thread(target=call, args=(worker,))
        thread.start()
        assert ready.wait(20)
    thread.join(10)
    assert not thread.is_alive()
    wait_until_gone(worker.process.pid)
    wait_until_gone(started[0])


def test_a_pool_that_is_left_starts_no_more() -> None:
    with Pool() as pool:
        pass
    with pytest.raises(WorkerDiedError, match="the run is being ended"):
        pool.start()


_PARENT = f"""
import sys
from trtbuild.workers.pool import Pool
def note(progress):
    print(progress.done, flush=True)
with Pool() as pool:
    pool.start().call("{CALLS}:sleep", int, note, seconds=60)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_go_with_their_parent(sent: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.send_signal(sent)
        parent.wait(20)
    wait_until_gone(worker)


def test_a_worker_outlives_the_thread_that_asked_for_it() -> None:
    """Linux ends a process with the thread that started it, and a run's threads end amid it."""
    with Pool() as pool:
        workers: list[Worker] = []

        def ask() -> None:
            workers.append(pool.start())
            assert workers[0].call(f"{CALLS}:add", int, a=1, b=2) == 3  # it is up by now

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join()
        time.sleep(0.1)  # the signal that must not come would by now
        assert workers[0].call(f"{CALLS}:add", int, a=2, b=2) == 4


def test_memory_is_blamed_where_the_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter((3, 4))
    monkeypatch.setattr("trtbuild.workers.pool.out_of_memory_kills", lambda: next(counts))

    def kill(progress: Progress) -> None:
        os.kill(progress.done, signal.SIGKILL)

    with Pool() as pool, pytest.raises(WorkerDiedError) as caught:
        pool.start().call(f"{CALLS}:sleep", int, kill, seconds=60)
    assert "ran out of memory" in caught.value.hint


def test_a_call_that_takes_too_long_is_ended(worker: Worker) -> None:
    worker.limit_s = 0.5
    with pytest.raises(OutOfTimeError) as caught:
        worker.call(f"{CALLS}:loop", int)
    assert caught.value.message == (
        "a step took longer than 0.5 s and was ended: looping: for ever"
    )
    assert "--verify-timeout SECONDS" in caught.value.hint
    assert worker.process.poll() == -signal.SIGKILL


def test_a_call_that_ends_in_time_is_left_alone(worker: Worker) -> None:
    worker.limit_s = 1000
    assert worker.call(f"{CALLS}:add", int, a=1, b=2) == 3
