"""Functions that the worker tests call in real worker processes."""

import ctypes
import errno
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from trtbuild.artifacts import Range
from trtbuild.errors import PlanError
from trtbuild.workers.child import report

state: list[int] = []


class Unsendable:
    pass


def add(a: int, b: int) -> int:
    return a + b


def widen(shape: Range, by: int) -> Range:
    return msgspec.structs.replace(shape, max=tuple(by * size for size in shape.max))


def remember(value: int) -> list[int]:
    state.append(value)
    return state


def count(to: int) -> str:
    for step in range(to):
        report("counting", "up", step + 1, to)
    return "done"


def chatter() -> int:
    print("the framework says hello")
    os.system("echo and so does its child")
    return 1


def refuse() -> None:
    raise PlanError("no plan", "try another target")


def bug() -> None:
    raise ZeroDivisionError("ours")


def unsendable() -> Unsendable:
    return Unsendable()


def crash() -> None:
    print("about to read address 0", flush=True)
    ctypes.string_at(0)


def leave() -> None:
    os._exit(7)


def sleep(seconds: float) -> int:
    report("sleeping", "", os.getpid())
    time.sleep(seconds)
    return 0


def sleep_with_child(seconds: float) -> None:
    """As a compiler that a framework starts would."""
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    report("sleeping", "", child)
    time.sleep(seconds)


def fill_the_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def lose_a_file() -> None:
    with Path("/nowhere/at/all").open("rb"):
        pass


def leave_a_file() -> str:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        return file.name


def hello(name: str) -> str:
    return f"hello {name}"


def need_a_package() -> None:
    import a_package_that_is_not_there  # type: ignore[import-not-found] # noqa: F401


def touch(how: str, path: str) -> str:
    """Do `how` to `path`; "done", or the error's name."""
    try:
        _TOUCHES[how](Path(path))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _socket(family: int) -> None:
    socket.socket(family).close()


def _io_uring() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(425, 1, ctypes.create_string_buffer(120)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")


def _in_a_thread(path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        threads.submit(path.read_bytes).result()


_TOUCHES: dict[str, Callable[[Path], object]] = {
    "read": Path.read_bytes,
    "list": lambda path: list(path.iterdir()),
    "write": lambda path: path.write_text("x"),
    "append": lambda path: path.open("a"),
    "truncate": lambda path: os.truncate(path, 0),
    "make a folder": Path.mkdir,
    "remove": Path.unlink,
    "rename into": lambda path: path.rename(path.parent / "inner" / path.name),
    "read in a thread": _in_a_thread,
    "read in a process": lambda path: subprocess.run(["/bin/cat", path], check=True),
    "tcp": lambda _: _socket(socket.AF_INET),
    "tcp6": lambda _: _socket(socket.AF_INET6),
    "unix": lambda _: _socket(socket.AF_UNIX),
    "netlink": lambda _: _socket(socket.AF_NETLINK),
    "io_uring": lambda _: _io_uring(),
    "signal": lambda path: os.kill(int(path.name), 0),
}


def environment() -> dict[str, str]:
    """This process's environment."""
    return dict(os.environ)


def take(size: int) -> int:
    """Take that many bytes of memory."""
    return len(bytearray(size))


def loop() -> None:
    """Never return."""
    report("looping", "for ever")
    while True:
        time.sleep(1)
