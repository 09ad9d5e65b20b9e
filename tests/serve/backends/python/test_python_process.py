"""Real processes: killed, crashing, printing, failing to start, ending. Texts are Triton 2.51's."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from trtserve.backends.python.instance import PythonInstance, PythonModel
from trtserve.backends.python.process import ModelProcess
from trtserve.errors import Kind, ServeError

from tests.serve.backends.python.python_models import (
    DOES,
    IDENTITY,
    ONE,
    Load,
    do,
    failed,
    outputs,
    request,
    told,
    write_model,
)

# Processes that die, hang, print


def killed_in_batch(made: PythonInstance, signal_: int) -> list[ServeError]:
    pid = made.pid
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, signal_)).start()
    return [failed(each) for each in made.execute([request(x=ONE * 0) for _ in range(3)])]


SLEEPS_ON_ZEROS = """
def execute(self, requests):
    if not requests[0].inputs()[0].as_numpy().any():
        time.sleep(60)
    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.ones(1))]) for r in requests]
"""


def test_a_process_that_is_killed_fails_its_batch_alone(load: Load) -> None:
    made = load(SLEEPS_ON_ZEROS)
    for _ in range(2):
        errors = killed_in_batch(made, signal.SIGKILL)
        assert [error.kind for error in errors] == [Kind.UNAVAILABLE] * 3
        assert {error.message for error in errors} == {
            "the process of model instance 'model_0' was ended by SIGKILL while it ran this batch"
        }
        assert outputs(made.execute([request(x=ONE)])[0])["x"].tolist() == [1]


def test_a_process_that_is_killed_while_idle_fails_nothing(load: Load) -> None:
    made = load(IDENTITY)
    for pause_s in (0, 0, 0, 0, 0.0003, 0.0005, 0.001, 0.2):
        pid = made.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        time.sleep(pause_s)  # noticed by what is sent, or by the watching thread
        assert (outputs(made.execute([request(x=ONE)])[0])["x"] == ONE).all()
        assert made.pid != pid


@pytest.mark.parametrize(
    ("how", "said"),
    [("os._exit(3)", "ended with exit code 3"), ("os.abort()", "was ended by SIGABRT"),
     ("os.kill(os.getpid(), 40)", "was ended by signal 40"),
     ("os.closerange(3, 60000) or time.sleep(9)", "was ended by SIGKILL")],
)  # fmt: skip
def test_a_process_that_ends_itself(
    load: Load, how: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtserve.backends.python.process._END_S", 0.5)
    made = load(DOES)
    error = failed(do(made, how))
    assert error.kind is Kind.UNAVAILABLE
    assert said in error.message
    assert told(made, "1 + 1") == 2


def test_forked_off_processes_do_not_hide_the_end(load: Load) -> None:
    """A child that was forked holds the channel open; it is ended too."""
    made = load(
        "def execute(self, requests):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(3600)\n"
        "    os.kill(os.getpid(), 9)",
    )
    assert "SIGKILL" in failed(made.execute([request(x=ONE)])[0]).message


def test_printing_and_closed_outputs_do_not_harm(load: Load) -> None:
    top = "print('at import'); os.write(1, b'raw'); sys.stderr.write('also here')"
    made = load(
        "def execute(self, requests):\n"
        "    print('x' * 100_000); os.write(1, b'\\0' * 9999); sys.stdin.read()\n"
        "    os.close(0); os.close(1); os.close(2)\n"
        "    return [pb_utils.InferenceResponse([]) for r in requests]",
        top,
    )
    assert outputs(made.execute([request(x=ONE)])[0]) == {}


def test_the_log_is_the_servers(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "trtserve")
    made = load(DOES)
    do(made, "[pb_utils.Logger.log_info('info ü'), pb_utils.Logger.log_warn('careful'), "
             "pb_utils.Logger.log_error('e' * 99999), pb_utils.Logger.log_verbose('more'), "
             "pb_utils.Logger.log('plain', pb_utils.Logger.WARNING)]")  # fmt: skip
    made.close(5)
    # What the model's process said, without what the server says of it.
    said = [(r.levelname, r.getMessage()) for r in caplog.records if r.module == "process"]
    assert [level for level, _ in said] == ["INFO", "WARNING", "ERROR", "DEBUG", "WARNING"]
    assert said[0][1] == "<string>:1] info ü"
    assert len(said[2][1]) > 50_000


@pytest.mark.parametrize("level", ["9", "20", "2", "'x'", "True", "None"])
def test_a_level_is_no_number(doer: PythonInstance, level: str) -> None:
    """As in Triton 2.51."""
    error = failed(do(doer, f"pb_utils.Logger.log('hi', {level})"))
    assert error.kind is Kind.INTERNAL
    assert f"TypeError: Logger.log(message: str, level=Logger.INFO) was given ('hi', {level})" in (
        error.message
    )


@pytest.mark.parametrize("sent", [b"L\xff?", b"L", b"C", b"C1", b"?", b"\0" * 999])
def test_whatever_comes_aside_the_end_of_the_process_is_seen(load: Load, sent: bytes) -> None:
    """The watching thread must not die of it: nobody would learn that the process has ended."""
    made = load(DOES)
    assert told(made, f"pb_utils.Logger.send.__self__._socket.send({sent!r})") == len(sent)
    assert "ended with exit code 3" in failed(do(made, "os._exit(3)")).message
    assert told(made, "1 + 1") == 2


def test_a_process_that_cannot_be_watched_is_ended(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    made = load(DOES)
    monkeypatch.setattr("trtserve.backends.python.process.os.pidfd_open", fails)
    with pytest.raises(ServeError, match="was ended by SIGKILL"):
        load(DOES)
    monkeypatch.undo()
    assert told(made, "1 + 1") == 2


# Loading and ending


@pytest.mark.parametrize(
    ("methods", "top", "message"),
    [
        ("def initialize(self, args): raise ValueError('bad\\nthing')", "",
         "ValueError: bad\nthing\n\nAt:\n  {file}(6): initialize\n"),
        ("def initialize(self): pass", "",
         "TypeError: TritonPythonModel.initialize() takes 1 positional argument but 2 were given"),
        ("pass", "import nothing_of_that_name\n",
         "ModuleNotFoundError: No module named 'nothing_of_that_name'\n\nAt:\n"
         "  {file}(4): <module>\n"),
        ("pass", "x = = 1\n", "SyntaxError: invalid syntax (model.py, line 4)"),
        ("pass", "raise SystemExit(2)\n", "SystemExit: 2\n\nAt:\n  {file}(4): <module>\n"),
        ("def initialize(self, args): os._exit(7)", "",
         "the process of model instance 'model_0' ended with exit code 7"),
    ],
)  # fmt: skip
def test_a_load_that_fails_says_why(
    load: Load, tmp_path: Path, methods: str, top: str, message: str
) -> None:
    with pytest.raises(ServeError) as caught:
        load(methods, top)
    assert caught.value.message == message.format(file=tmp_path / "model" / "1" / "model.py")


def test_whatever_goes_wrong_with_a_start_its_process_is_ended(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    def fails(process: ModelProcess, *_: object) -> str:
        pids.append(process.pid)
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(ModelProcess, "start", fails)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        load(DOES)
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_file_without_the_class(tmp_path: Path) -> None:
    file = write_model(tmp_path, "pass")
    file.write_text("x = 1\n")
    with pytest.raises(ServeError, match=r"'1\.model' has no attribute 'TritonPythonModel'"):
        PythonInstance(PythonModel("model", "1", file, "{}"), "model_0")


def test_models_without_optional_methods(load: Load) -> None:
    made = load("x = 1")
    assert "does not implement `execute`" in failed(made.execute([request(x=ONE)])[0]).message


def test_modules_beside_the_model(tmp_path: Path) -> None:
    file = write_model(
        tmp_path, IDENTITY, "from .near import A\nfrom near import A as B\nimport far\n"
    )
    (file.parent / "near.py").write_text("A = 1\n")
    (file.parent.parent / "far.py").write_text("C = 1\n")
    made = PythonInstance(PythonModel("model", "1", file, "{}"), "model_0")
    made.close(5)
    # The repository is watched for changes: Python must not write its caches there.
    assert not list(tmp_path.rglob("__pycache__"))


def test_finalize_runs_on_close(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = tmp_path / "done"
    made = load(f"def finalize(self):\n    time.sleep(0.3)\n    open({str(done)!r}, 'w')")
    pid = made.pid
    made.close(5)
    assert done.exists()
    assert not Path(f"/proc/{pid}").exists()
    made.close(5)  # twice does no harm
    made = load("def finalize(self): raise ValueError('not yet')")
    made.close(5)
    assert "failed to finalize: ValueError: not yet" in caplog.text


def test_finalize_has_a_deadline(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    made = load("def finalize(self): time.sleep(3600)")
    pid = made.pid
    made.close(0.3)
    assert not Path(f"/proc/{pid}").exists()
    assert "has not finalized in time" in caplog.text


def test_a_restart_that_fails_is_not_tried_at_every_batch(load: Load, tmp_path: Path) -> None:
    made = load(
        "def initialize(self, args):\n"
        "    with open(os.path.join(args['model_repository'], 'starts'), 'a') as file:\n"
        "        file.write('x')\n"
        "    if os.path.exists(os.path.join(args['model_repository'], 'broken')):\n"
        "        raise ValueError('broken')\n" + IDENTITY,
    )
    starts, broken = tmp_path / "model" / "starts", tmp_path / "model" / "broken"
    broken.touch()
    pid = made.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert "ValueError: broken" in failed(made.execute([request(x=ONE)])[0]).message
    again = failed(made.execute([request(x=ONE)])[0])
    assert again.kind is Kind.UNAVAILABLE
    assert "tried again shortly" in again.message
    assert starts.read_text() == "xx"
    broken.unlink()
    time.sleep(0.15)
    assert (outputs(made.execute([request(x=ONE)])[0])["x"] == ONE).all()


def test_a_process_ends_with_the_server(tmp_path: Path) -> None:
    """Even in the midst of a long execute, when the server is killed."""
    write_model(tmp_path, "def execute(self, requests): time.sleep(100)")
    server = subprocess.Popen(
        [sys.executable, "-c", f"""
import numpy as np, threading, time
from pathlib import Path
from tests.serve.backends.python.python_models import request
from trtserve.backends.python.instance import PythonInstance, PythonModel
file = Path({str(tmp_path)!r}) / "model" / "1" / "model.py"
made = PythonInstance(PythonModel("model", "1", file, "{{}}"), "model_0")
threading.Thread(target=made.execute, args=([request(x=np.ones(1))],)).start()
time.sleep(0.2)
print(made.pid, flush=True)
"""],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    with server.stdout:
        pid = int(server.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        server.kill()
        server.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
